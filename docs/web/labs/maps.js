// The maps of the first convolution (inside.md): point at a pixel, and see kernel times patch, the
// sum, the bias and ReLU.

import { clamp, cover, listen, written } from "../figures/sums.mjs";
import { conv2d, embedded, parts, relu } from "./nn.mjs";
import { grey, largest, paint, signed } from "./paint.mjs";

const { x, weight, bias } = embedded("inside-data");
const [, H, W] = x.shape;
const [F, , k] = weight.shape;
const kernels = { shape: [F, 1, k, k], data: weight.data };
const sums = conv2d(x, kernels, bias);
const y = relu(sums);
const [, oH, oW] = y.shape;
const count = n => [...Array(n).keys()];
const slice = (array, at, size) => array.slice(at * size, (at + 1) * size);

const lab = document.querySelector(".lab.maps");
const canvas = (width, height) => `<canvas width="${width}" height="${height}"></canvas>`;
const titled = (words, picture) => `<div>${words}${picture}</div>`;
lab.innerHTML = `
  <div class="asked">${titled("The picture", canvas(W, H))}
    ${count(F)
      .map(f => titled(`Map ${f}`, canvas(oW, oH)))
      .join("")}</div>
  <div class="pixel"><p role="status">Point at a pixel of a map, or tap it, or move by the arrow
    keys, and see here what it comes from.</p>
    <div class="three" aria-hidden="true" hidden>${["Kernel", "× patch", "= products"]
      .map(words => titled(words, canvas(k, k)))
      .join("")}</div></div>`;
const [picture, ...maps] = lab.querySelectorAll(".asked canvas");
const three = lab.querySelector(".three");
const said = lab.querySelector("[role=status]");

paint(picture, x.data, grey);
const far = largest(y.data);
maps.forEach((map, f) => {
  paint(map, slice(y.data, f, oH * oW), value => grey(value / far));
});

const under = cover(picture);
const layers = maps.map(cover);
let place = [0, 0, 0]; // map, row, column

function show(next) {
  place = next;
  const [f, i, j] = place;
  layers.forEach((layer, g) => {
    layer.mark("here", g === f ? [[j / oW, i / oH, 1 / oW, 1 / oH]] : []);
  });
  under.mark("source", [[j / W, i / H, k / W, k / H]]);
  const [{ patch, kernel, products, sum }] = parts(x, kernels, f, i, j);
  three.hidden = false;
  const color = signed(largest(weight.data));
  const shown = [kernel, color, patch, grey, products, color];
  three.querySelectorAll("canvas").forEach((canvas, n) => {
    paint(canvas, shown[2 * n], shown[2 * n + 1]);
  });
  const b = bias.data[f];
  const value = sums.data[(f * oH + i) * oW + j];
  const sign = b < 0 ? "−" : "+";
  said.textContent =
    `Map ${f}, row ${i}, column ${j}: the ${k * k} products sum to ${written(sum)}. ` +
    `With the bias: ${written(sum)} ${sign} ${written(Math.abs(b))} = ${written(value)}. ` +
    (value > 0 ? `ReLU leaves ${written(value)}.` : "ReLU makes it 0.");
}

layers.forEach((layer, f) => {
  listen(layer.element, {
    label: `Map ${f}: arrow keys go from pixel to pixel, and its sum is said below`,
    show,
    at: (across, down) => [
      f,
      clamp(0, Math.floor(down * oH), oH - 1),
      clamp(0, Math.floor(across * oW), oW - 1),
    ],
    beside: (down, right) => [
      f,
      clamp(0, place[1] + down, oH - 1),
      clamp(0, place[2] + right, oW - 1),
    ],
  });
});

// The maps of the first convolution (inside.md): point at a pixel, and see kernel times patch, the
// sum, the bias and ReLU.

import { cover, listen, written } from "../figures/sums.mjs";
import { conv2d, embedded, relu } from "./nn.mjs";

const { x, weight, bias } = embedded("inside-data");
const [, H, W] = x.shape;
const [F, , k] = weight.shape;
const sums = conv2d(x, { shape: [F, 1, k, k], data: weight.data }, bias);
const y = relu(sums);
const [, oH, oW] = y.shape;
const count = n => [...Array(n).keys()];
const part = (array, at, size) => Array.from(array.slice(at * size, (at + 1) * size));
const LARGEST = 255;

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

// From black to white, or where numbers are negative, from red over white to blue.
const grey = value => Array(3).fill(LARGEST * value);
const signed = value =>
  (value < 0 ? [178, 24, 43] : [33, 102, 172]).map(
    full => LARGEST + Math.abs(value) * (full - LARGEST),
  );
function paint(canvas, values, color) {
  const image = new ImageData(canvas.width, canvas.height);
  values.forEach((value, at) => {
    image.data.set([...color(value), LARGEST], 4 * at);
  });
  canvas.getContext("2d").putImageData(image, 0, 0);
}
const most = values => values.reduce((far, value) => Math.max(far, Math.abs(value)), 0) || 1;
const scaled = (values, far) => values.map(value => value / far);

paint(picture, Array.from(x.data), grey);
const far = most(y.data);
maps.forEach((map, f) => {
  paint(map, scaled(part(y.data, f, oH * oW), far), grey);
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
  const kernel = part(weight.data, f, k * k);
  const patch = kernel.map((_, at) => x.data[(i + Math.floor(at / k)) * W + j + (at % k)]);
  const products = kernel.map((w, at) => w * patch[at]);
  three.hidden = false;
  const wide = most(weight.data);
  [scaled(kernel, wide), patch, scaled(products, wide)].forEach((values, n) => {
    paint(three.querySelectorAll("canvas")[n], values, n === 1 ? grey : signed);
  });
  const sum = products.reduce((a, b) => a + b);
  const b = bias.data[f];
  const value = sums.data[(f * oH + i) * oW + j];
  const sign = b < 0 ? "−" : "+";
  said.textContent =
    `Map ${f}, row ${i}, column ${j}: the ${k * k} products sum to ${written(sum)}. ` +
    `With the bias: ${written(sum)} ${sign} ${written(Math.abs(b))} = ${written(value)}. ` +
    (value > 0 ? `ReLU leaves ${written(value)}.` : "ReLU makes it 0.");
}

layers.forEach((layer, f) => {
  const inside = (at, side) => Math.max(0, Math.min(side - 1, at));
  listen(layer.element, {
    label: `Map ${f}: arrow keys go from pixel to pixel, and its sum is said below`,
    show,
    at: (across, down) => [
      f,
      inside(Math.floor(down * oH), oH),
      inside(Math.floor(across * oW), oW),
    ],
    beside: (down, right) => [f, inside(place[1] + down, oH), inside(place[2] + right, oW)],
  });
});

// "Try it on your own picture": the reader's picture and kernel, and what comes out. Nothing is
// sent.

import { added, cover, listen, written } from "../figures/sums.mjs";
import { conv2d, embedded } from "./nn.mjs";
import { keepInk, shrunk } from "./pad.mjs";

const { kernels, grey, shape } = embedded("try-data");
const here = document.currentScript.src;
const MOST = 1e6; // pixels
const lab = document.querySelector(".lab");
const OWN = "my own";
const choices = (...values) => values.map(value => `<option>${value}</option>`).join("");
lab.innerHTML = `
  <p><label>Your picture <input type="file" accept="image/*"></label>
    <button type="button" class="back">The book’s photograph</button></p>
  <p>Or drop one here, or paste one. It stays on this machine: nothing is sent anywhere.</p>
  <div class="pictures">
    <figure><canvas class="x" role="img" aria-label="No picture yet"></canvas>
      <figcaption></figcaption></figure>
    <figure><canvas class="y" role="img" aria-label="No result yet"></canvas>
      <figcaption></figcaption></figure>
  </div>
  <div class="pixel"><p role="status">Point at a pixel of either picture, or tap it, or move by the
    arrow keys, and see here what it comes from.</p><div aria-hidden="true"></div></div>
  <p class="error" role="alert"></p>
  <p class="said" role="status"></p>
  <fieldset><legend>Kernel</legend>
    <p><label>Numbers of
        <select class="name">${choices(...Object.keys(kernels), OWN)}</select></label>
      <label>Size <select class="size">${choices("3 × 3", "5 × 5")}</select></label></p>
    <div class="grid"></div>
    <p><label>All divided by
        <input class="divisor" inputmode="decimal" autocomplete="off"></label></p>
  </fieldset>
  <p><label>Show <select class="show">
      <option value="absolute">size, without the sign</option>
      <option value="signed">with the sign: grey is 0</option>
      <option value="clipped">as a picture: cut off at 0 and 1</option></select></label>
    <label>Stride <select class="stride">${choices(1, 2, 3, 4)}</select></label>
    <label>Padding <select class="padding">${choices(0, 1, 2)}</select></label></p>
  <p><button type="button" class="save">Save the result as PNG</button></p>
  <p>The same in Python:</p>
  <pre tabindex="0" role="region" aria-label="The same in Python"></pre>
  <p><button type="button" class="copy">Copy the Python</button></p>`;

const find = selector => lab.querySelector(selector);
const choose = find("input[type=file]");
const grid = find(".grid");
const divisor = find(".divisor");
const name = find(".name");
const size = find(".size");
const show = find(".show");
const error = find(".error");
const said = find(".said");
const python = find("pre");
const [from, to] = lab.querySelectorAll("canvas");
const captions = lab.querySelectorAll("figcaption");
const [below, above] = [from, to].map(cover); // on the picture and on the result
for (const canvas of [from, to]) give(canvas, shape); // its place, before there is a picture
let x = null; // the picture in grey
let result = null; // with what it was made by
let pixel = null; // of it, that is explained
let path = ""; // what Python calls its file
let asked = 0; // how often there was another picture to wait for: only the last is shown

// A number for each way to write one: 2, -0.5, 1/9. Anything else is NaN.
function read(text) {
  const [above, below, more] = text
    .replaceAll("−", "-")
    .split("/")
    .map(part => (part.trim() ? Number(part) : NaN));
  return more === undefined ? above / (below ?? 1) : NaN;
}

function complaint(field, number) {
  if (field.value.trim() === "") return "A number is missing.";
  if (!Number.isFinite(number)) return `“${field.value}” is not a number.`;
  return field === divisor && number === 0 ? "Nothing can be divided by 0." : "";
}

function fill(rows, by) {
  const k = rows.length;
  size.selectedIndex = k === 3 ? 0 : 1;
  lab.style.setProperty("--k", k);
  const fields = rows.flat().map((value, at) => {
    const field = document.createElement("input");
    const label = `row ${Math.floor(at / k) + 1}, column ${(at % k) + 1}`;
    return Object.assign(field, {
      value,
      ariaLabel: label,
      inputMode: "decimal",
      autocomplete: "off",
    });
  });
  grid.replaceChildren(...fields);
  divisor.value = by;
}

// How a result is shown, and the same in Python; `flat` where it is 0 everywhere, or only rounding
// keeps it from that, and nothing can be divided by its largest number.
const SHOWN = {
  absolute: {
    shade: (value, most) => Math.abs(value) / most,
    formula: "np.abs(y) / np.abs(y).max()",
    flat: "np.zeros_like(y)",
  },
  signed: {
    shade: (value, most) => 0.5 + value / (2 * most),
    formula: "0.5 + y / (2 * np.abs(y).max())",
    flat: "np.full_like(y, 0.5)",
  },
  clipped: { shade: value => value, formula: "y.clip(0, 1)", flat: "y.clip(0, 1)" },
};

function give(canvas, [H, W]) {
  Object.assign(canvas, { width: W, height: H });
  canvas.parentElement.style.setProperty("--ratio", W / H);
}

function paint(canvas, [H, W], shade) {
  give(canvas, [H, W]);
  const picture = new ImageData(W, H);
  const { data } = picture;
  for (let at = 0; at < data.length; at += 4) {
    data[at] = data[at + 1] = data[at + 2] = Math.round(255 * shade(at / 4));
    data[at + 3] = 255;
  }
  canvas.getContext("2d").putImageData(picture, 0, 0);
}

// Kernel times patch, number by number: as a sentence, and enlarged.
function explain() {
  if (!pixel || !result) return;
  const { numbers, k, by, stride, padding, y } = result;
  const [, H, W] = x.shape;
  const [, oH, oW] = y.shape;
  const [i, j] = [Math.min(pixel[0], oH - 1), Math.min(pixel[1], oW - 1)];
  pixel = [i, j];
  const [top, left] = [i * stride - padding, j * stride - padding];
  const patch = numbers.map((_, at) => {
    const [row, column] = [top + Math.floor(at / k), left + (at % k)];
    const outside = row < 0 || row >= H || column < 0 || column >= W;
    return outside ? 0 : x.data[row * W + column];
  });
  below.mark("source", [[left / W, top / H, k / W, k / H]]);
  above.mark("here", [[j / oW, i / oH, 1 / oW, 1 / oH]]);
  const sum = added(numbers.map((w, at) => `${written(w)}·${written(patch[at])}`));
  const whole = by === 1 ? sum : `(${sum}) / ${written(by)}`;
  const value = written(y.data[i * oW + j]);
  find(".pixel p").textContent = `Row ${i}, column ${j} of the result: ${whole} = ${value}`;
  const grey = value => Math.round(255 * value);
  const cells = values => values.map(value => `<span>${written(value)}</span>`).join("");
  const shades = patch.map(
    value =>
      `<span style="background: rgb(${grey(value)} ${grey(value)} ${grey(value)}); ` +
      `color: ${value < 0.5 ? "white" : "black"}">${value.toFixed(2)}</span>`,
  );
  const divided = by === 1 ? "" : ` / ${written(by)}`;
  find(".pixel > div").innerHTML =
    `<div>${cells(numbers)}</div><b>×</b><div>${shades.join("")}</div><b>${divided} = ${value}</b>`;
}

// A pixel of the picture is asked as the middle of a patch, as near as there is one.
const LABEL = "arrow keys go from pixel to pixel of the result, and its sum is said below";
const inRange = (place, side) => Math.max(0, Math.min(side - 1, place));
function ask([row, column]) {
  const [, oH, oW] = result.y.shape;
  const place = [inRange(row, oH), inRange(column, oW)];
  if (place.join() === pixel?.join()) return;
  pixel = place;
  explain();
}
const beside = (down, right) =>
  result ? [(pixel?.[0] ?? 0) + down, (pixel?.[1] ?? 0) + right] : undefined;
listen(above.element, {
  label: `The result: ${LABEL}`,
  beside,
  show: ask,
  at(across, down) {
    if (!result) return undefined;
    const [, oH, oW] = result.y.shape;
    return [Math.floor(down * oH), Math.floor(across * oW)];
  },
});
listen(below.element, {
  label: `The picture: ${LABEL}`,
  beside,
  show: ask,
  at(across, down) {
    if (!result) return undefined;
    const { k, stride, padding } = result;
    const [, H, W] = x.shape;
    const middle = pixel => Math.round((pixel + padding - (k - 1) / 2) / stride);
    return [middle(Math.floor(down * H)), middle(Math.floor(across * W))];
  },
});

function compute() {
  const fields = [...grid.children, divisor];
  const numbers = fields.map(field => read(field.value));
  const complaints = fields.map((field, at) => complaint(field, numbers[at]));
  for (const [at, field] of fields.entries()) {
    field.setAttribute("aria-invalid", complaints[at] !== "");
  }
  error.textContent = complaints.find(Boolean) ?? "";
  if (error.textContent || !x) return;
  const by = numbers.pop();
  const k = Math.sqrt(numbers.length);
  const stride = Number(find(".stride").value);
  const padding = Number(find(".padding").value);
  const [, H, W] = x.shape;
  if (Math.min(H, W) + 2 * padding < k) {
    result = null;
    error.textContent = `A kernel of ${k} × ${k} does not fit into ${W} × ${H} pixels.`;
    captions[1].textContent = "No result";
    to.setAttribute("aria-label", "No result");
    to.width = to.height = 1; // nothing of a picture before
    return;
  }
  const weights = numbers.map(number => number / by);
  const y = conv2d(x, { shape: [1, 1, k, k], data: weights }, null, stride, padding);
  const [, oH, oW] = y.shape;
  let low = Infinity;
  let high = -Infinity;
  for (const value of y.data) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const rounding = 1e-9 * weights.reduce((sum, weight) => sum + Math.abs(weight), 0);
  const most = Math.max(-low, high);
  if (most <= rounding) low = high = 0;
  const { shade, formula, flat } = SHOWN[show.value];
  paint(to, [oH, oW], at => (most > rounding ? shade(y.data[at], most) : shade(0, 1)));
  const sum = weights.reduce((a, b) => a + b);
  captions[1].textContent = `The result, ${oW} × ${oH}, from ${written(low)} to ${written(high)}`;
  to.setAttribute("aria-label", `${captions[1].textContent}, with the kernel ${name.value}`);
  said.textContent =
    Math.abs(sum) <= rounding
      ? "The weights sum to 0: where the picture is flat, the result is 0."
      : `The weights sum to ${written(sum)}: where the picture is flat, it is multiplied by that.`;
  result = { numbers, k, by, stride, padding, y };
  explain();
  const rows = [];
  for (let at = 0; at < numbers.length; at += k)
    rows.push(`[${numbers.slice(at, at + k).join(", ")}]`);
  python.textContent = `import numpy as np
from convdocs import conv2d, data

x = data.photo(${path && JSON.stringify(path)})
w = np.array([${rows.join(",\n              ")}])${by === 1 ? "" : ` / ${by}`}
y = conv2d(x[None, None], w[None, None], stride=${stride}, padding=${padding})[0, 0]
shown = ${most > rounding ? formula : flat}`;
}

// The picture as numbers from 0 to 1, on white where it is transparent, as data.photo reads it. The
// page answers between the parts of the work, and another picture may be asked for meanwhile.
const pause = () => new Promise(resolve => setTimeout(resolve));
async function take(picture, W, H, file) {
  const mine = asked;
  const scale = Math.min(1, Math.sqrt(MOST / (W * H)));
  const [w, h] = [W, H].map(side => Math.max(1, Math.round(scale * side)));
  Object.assign(from, { width: w, height: h });
  const context = from.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.fillStyle = "white";
  context.fillRect(0, 0, w, h);
  context.drawImage(picture, 0, 0, w, h);
  const { data } = context.getImageData(0, 0, w, h);
  const shades = new Float64Array(w * h);
  const [red, green, blue] = grey;
  for (let at = 0; at < shades.length; at++) {
    const [r, g, b] = [4 * at, 4 * at + 1, 4 * at + 2];
    shades[at] = (red * data[r]) / 255 + (green * data[g]) / 255 + (blue * data[b]) / 255;
  }
  await pause();
  if (mine !== asked) return;
  paint(from, [h, w], at => shades[at]);
  await pause();
  if (mine !== asked) return;
  x = { shape: [1, h, w], data: shades };
  path = file;
  captions[0].textContent =
    `${file || "The book’s photograph"}, ${w} × ${h} pixels` +
    (scale < 1 ? `, made smaller from ${W} × ${H}; Python would take all of them` : "");
  from.setAttribute("aria-label", captions[0].textContent);
  compute();
}

async function drawn(source) {
  const picture = Object.assign(new Image(), { src: source });
  await picture.decode();
  return picture;
}

// A drawing has no pixels yet: only an image element makes some of it.
async function decoded(file) {
  if (file.type !== "image/svg+xml")
    return createImageBitmap(file, { imageOrientation: "from-image" });
  const source = URL.createObjectURL(file);
  return drawn(source).finally(() => URL.revokeObjectURL(source));
}

async function open(file) {
  if (!file) return;
  const mine = ++asked;
  try {
    const picture = await decoded(file);
    if (mine !== asked) return;
    await take(picture, picture.width, picture.height, file.name);
    picture.close?.();
    if (mine !== asked) return;
    keepInk("picture", shrunk(x)); // "From pixels to class" can begin with it
  } catch {
    error.textContent =
      `“${file.name}” is no picture that this browser can read. ` +
      "PNG and JPEG can be read by all.";
  }
}

// The book's photograph comes in a script, since a page that is a file may read no picture's pixels.
let photo = null;
const bring = () =>
  new Promise((onload, onerror) => {
    const src = new URL("try-later.js", here).href;
    document.head.append(Object.assign(document.createElement("script"), { src, onload, onerror }));
  }).then(() => globalThis.later);

async function back() {
  const mine = ++asked;
  photo ??= bring();
  const picture = await drawn(`data:image/png;base64,${await photo}`);
  if (mine !== asked) return;
  choose.value = "";
  await take(picture, picture.width, picture.height, "");
}

choose.addEventListener("change", () => open(choose.files[0]));
find(".back").addEventListener("click", back);
lab.addEventListener("dragover", event => event.preventDefault());
lab.addEventListener("drop", event => {
  event.preventDefault();
  open(event.dataTransfer.files[0]);
});
document.addEventListener("paste", event => open(event.clipboardData.files[0]));

name.addEventListener("change", () => {
  if (name.value === OWN) return;
  fill(kernels[name.value].weights, kernels[name.value].divisor);
  show.value = kernels[name.value].show;
  compute();
});
// The old numbers in the middle of the new ones, or cut out.
size.addEventListener("change", () => {
  const old = [...grid.children].map(field => field.value);
  const k = Math.sqrt(old.length);
  const more = k === 3 ? 1 : -1;
  const side = k + 2 * more;
  const places = Array.from({ length: side }, (_, place) => place - more);
  const inside = place => place >= 0 && place < k;
  const number = (i, j) => (inside(i) && inside(j) ? old[i * k + j] : 0);
  fill(
    places.map(i => places.map(j => number(i, j))),
    divisor.value,
  );
  name.value = OWN;
  compute();
});
for (const part of [grid, divisor]) {
  part.addEventListener("input", () => {
    name.value = OWN;
    compute();
  });
}
for (const part of [show, find(".stride"), find(".padding")]) {
  part.addEventListener("change", compute);
}
function save(blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = "result.png";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
find(".save").addEventListener("click", () => to.toBlob(save));
find(".copy").addEventListener("click", async event => {
  await navigator.clipboard.writeText(python.textContent);
  event.target.textContent = "Copied";
  setTimeout(() => {
    event.target.textContent = "Copy the Python";
  }, 2000);
});

name.value = "Sobel x";
name.dispatchEvent(new Event("change"));
back();

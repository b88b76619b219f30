// "Try it on your own picture": the reader's picture and kernel, and what comes out. Nothing is
// sent.

import { added, clamp, cover, listen, written } from "../figures/sums.mjs";
import { conv2d, embedded } from "./nn.mjs";
import { keepInk, shrunk } from "./pad.mjs";
import { grey, paint } from "./paint.mjs";

const { kernels, grey: luma, shape } = embedded("try-data");
const [red, green, blue] = luma;
const here = document.currentScript.src;
const MOST = 1e6; // pixels
const LONGEST = 16000; // some browsers draw a side of 16,384 at most, and padding adds some
const lab = document.querySelector(".lab");
const OWN = "my own";
const choices = (...values) => values.map(value => `<option>${value}</option>`).join("");
lab.innerHTML = `
  <p><label>Your picture <input type="file" accept="image/*"
        autocomplete="off"></label>
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
        <select class="name" autocomplete="off">${choices(...Object.keys(kernels), OWN)}</select></label>
      <label>Size <select class="size" autocomplete="off">${choices("3 × 3", "5 × 5")}</select></label></p>
    <div class="grid"></div>
    <p><label>All divided by
        <input class="divisor" autocomplete="off"></label></p>
  </fieldset>
  <p><label>Show <select class="show" autocomplete="off">
      <option value="absolute">size, without the sign</option>
      <option value="signed">with the sign: grey is 0</option>
      <option value="clipped">as a picture: cut off at 0 and 1</option></select></label>
    <label>Stride <select class="stride" autocomplete="off">${choices(1, 2, 3, 4)}</select></label>
    <label>Padding <select class="padding" autocomplete="off">${choices(0, 1, 2)}</select></label></p>
  <p><button type="button" class="save" disabled>Save the result as PNG</button></p>
  <p>The same in Python:</p>
  <pre tabindex="0" role="region" aria-label="The same in Python"></pre>
  <p><button type="button" class="copy" disabled>Copy the Python</button></p>`;

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
const save = find(".save");
const copy = find(".copy");
const [from, to] = lab.querySelectorAll("canvas");
const captions = lab.querySelectorAll("figcaption");
const [below, above] = [from, to].map(cover); // on the picture and on the result
for (const canvas of [from, to]) give(canvas, shape); // its place, before there is a picture
let x = null; // the picture in grey
let result = null; // with what it was made of and by
let pixel = null; // of it, that is explained
let path = ""; // what Python calls its file
let asked = 0; // how often there was another picture to wait for
let refusal = ""; // why the last one is not shown

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

// No number of the page, nor of its Python, is larger than this.
const bound = (numbers, by) => 2 * numbers.reduce((sum, number) => sum + Math.abs(number / by), 0);

// Numbers of which each is one, but their sum is not: which field that is, and why.
function overflow(fields, numbers, by) {
  const sizes = numbers.map(Math.abs);
  const largest = sizes.indexOf(Math.max(...sizes));
  if (bound(numbers, 1) === Infinity)
    return [largest, `“${fields[largest].value}” is too large to be added up.`];
  if (bound(numbers, by) === Infinity)
    return [numbers.length, `“${divisor.value}” is too small to divide by.`];
  return [];
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

// Nothing is left that was made of a picture before.
function none() {
  result = null;
  to.width = to.height = 1;
  captions[1].textContent = "No result";
  to.setAttribute("aria-label", "No result");
  said.textContent = python.textContent = "";
  if (pixel) find(".pixel p").textContent = "";
  find(".pixel > div").replaceChildren();
  below.mark("source", []);
  above.mark("here", []);
  save.disabled = copy.disabled = true;
}

// Kernel times patch, number by number: as a sentence, and enlarged.
function explain() {
  if (!pixel || !result) return;
  const { x, numbers, k, by, stride, padding, y } = result;
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
  const cells = values => values.map(value => `<span>${written(value)}</span>`).join("");
  const shades = patch.map(
    value =>
      `<span style="background: rgb(${grey(value).slice(0, 3).join(" ")}); ` +
      `color: ${value < 0.5 ? "white" : "black"}">${value.toFixed(2)}</span>`,
  );
  const divided = by === 1 ? "" : ` / ${written(by)}`;
  find(".pixel > div").innerHTML =
    `<div>${cells(numbers)}</div><b>×</b><div>${shades.join("")}</div><b>${divided} = ${value}</b>`;
}

// A pixel of the picture is asked as the middle of a patch, as near as there is one.
const LABEL = "arrow keys go from pixel to pixel of the result, and its sum is said below";
function ask([row, column]) {
  const [, oH, oW] = result.y.shape;
  const place = [clamp(0, row, oH - 1), clamp(0, column, oW - 1)];
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
    const { x, k, stride, padding } = result;
    const [, H, W] = x.shape;
    const middle = pixel => Math.round((pixel + padding - (k - 1) / 2) / stride);
    return [middle(Math.floor(down * H)), middle(Math.floor(across * W))];
  },
});

function compute() {
  const fields = [...grid.children, divisor];
  const numbers = fields.map(field => read(field.value));
  const complaints = fields.map((field, at) => complaint(field, numbers[at]));
  const by = numbers.pop();
  if (!complaints.some(Boolean)) {
    const [at, why] = overflow(fields, numbers, by);
    if (why) complaints[at] = why;
  }
  for (const [at, field] of fields.entries()) {
    field.setAttribute("aria-invalid", complaints[at] !== "");
  }
  const complained = complaints.find(Boolean);
  error.textContent = complained ?? refusal;
  if (result && result.x !== x) none();
  if (complained || !x) return;
  const k = Math.sqrt(numbers.length);
  const stride = Number(find(".stride").value);
  const padding = Number(find(".padding").value);
  const [, H, W] = x.shape;
  if (Math.min(H, W) + 2 * padding < k) {
    error.textContent = `A kernel of ${k} × ${k} does not fit into ${W} × ${H} pixels.`;
    return none();
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
  give(to, [oH, oW]);
  paint(to, y.data, value => grey(most > rounding ? shade(value, most) : shade(0, 1)));
  const sum = weights.reduce((a, b) => a + b);
  captions[1].textContent = `The result, ${oW} × ${oH}, from ${written(low)} to ${written(high)}`;
  to.setAttribute("aria-label", `${captions[1].textContent}, with the kernel ${name.value}`);
  said.textContent =
    Math.abs(sum) <= rounding
      ? "The weights sum to 0: where the picture is flat, the result is 0."
      : `The weights sum to ${written(sum)}: where the picture is flat, it is multiplied by that.`;
  result = { x, numbers, k, by, stride, padding, y };
  save.disabled = copy.disabled = false;
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

// A drawing has no pixels yet: only an image element makes some of it.
async function decoded(file) {
  if (file.type !== "image/svg+xml")
    return createImageBitmap(file, { imageOrientation: "from-image" });
  const source = URL.createObjectURL(file);
  return drawn(source).finally(() => URL.revokeObjectURL(source));
}

async function drawn(source) {
  const picture = Object.assign(new Image(), { src: source });
  await picture.decode();
  return picture;
}

// The book's photograph comes in a script, since a page that is a file may read no picture's pixels.
async function photograph() {
  const src = new URL("try-later.js", here).href;
  const come = done => {
    const script = document.createElement("script");
    document.head.append(Object.assign(script, { src, onload: done, onerror: done }));
  };
  if (!globalThis.later) await new Promise(come);
  return drawn(`data:image/png;base64,${globalThis.later}`);
}

// Drawn where nobody looks, since a browser may then refuse to say what it has drawn. On white where
// the picture is transparent, as data.photo reads it.
function pixels(picture) {
  const { width: W, height: H } = picture;
  const scale = Math.min(1, Math.sqrt(MOST / (W * H)));
  const [w, h] = [W, H].map(side => Math.max(1, Math.round(scale * side)));
  if (!(W && H) || Math.max(w, h) > LONGEST)
    throw new RangeError(`has ${W} × ${H} pixels. This page shows sides from 1 to ${LONGEST}.`);
  const canvas = Object.assign(document.createElement("canvas"), { width: w, height: h });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.fillStyle = "white";
  context.fillRect(0, 0, w, h);
  context.drawImage(picture, 0, 0, w, h);
  const smaller = scale < 1 ? `, made smaller from ${W} × ${H}; Python would take all of them` : "";
  return { w, h, data: context.getImageData(0, 0, w, h).data, smaller };
}

// The picture as numbers from 0 to 1. The page answers between the parts of the work, and another
// picture may be asked for meanwhile: only the last is shown, or refused.
const pause = () => new Promise(resolve => setTimeout(resolve));
async function take({ w, h, data, smaller }, file) {
  const mine = asked;
  const shades = new Float64Array(w * h);
  for (let at = 0; at < shades.length; at++) {
    const [r, g, b] = [4 * at, 4 * at + 1, 4 * at + 2];
    shades[at] = (red * data[r]) / 255 + (green * data[g]) / 255 + (blue * data[b]) / 255;
  }
  await pause();
  if (mine !== asked) return;
  give(from, [h, w]);
  paint(from, shades, grey);
  x = { shape: [1, h, w], data: shades };
  path = file?.name ?? "";
  captions[0].textContent = `${path || "The book’s photograph"}, ${w} × ${h} pixels${smaller}`;
  from.setAttribute("aria-label", captions[0].textContent);
  refusal = "";
  if (file) keepInk("picture", shrunk(x)); // "From pixels to class" can begin with it
  await pause();
  compute();
}

// Of a file, or the book's photograph.
async function bring(file) {
  const mine = ++asked;
  if (file !== choose.files[0]) choose.value = "";
  let picture;
  let found;
  try {
    picture = await (file ? decoded(file) : photograph());
    if (mine === asked) found = pixels(picture);
  } catch (why) {
    let words = "is no picture that this browser can read. PNG and JPEG can be read by all.";
    if (why instanceof RangeError) words = why.message;
    else if (!(why instanceof DOMException)) throw why;
    if (mine !== asked) return;
    refusal = file ? `“${file.name}” ${words}` : "The book’s photograph did not arrive.";
    error.textContent = refusal;
  } finally {
    picture?.close?.();
  }
  if (found) await take(found, file);
}
const open = ([file]) => file && bring(file);

choose.addEventListener("change", () => open(choose.files));
// Without a file it hears of the same one again, which may have changed meanwhile.
choose.addEventListener("click", () => {
  choose.value = "";
});
find(".back").addEventListener("click", () => bring());
const isFile = event => event.dataTransfer.types.includes("Files"); // a text goes into a field
lab.addEventListener("dragover", event => isFile(event) && event.preventDefault());
lab.addEventListener("drop", event => {
  if (!isFile(event)) return;
  event.preventDefault();
  open(event.dataTransfer.files);
});
document.addEventListener("paste", event => open(event.clipboardData.files));

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
function store(blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = "result.png";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
save.addEventListener("click", () => to.toBlob(store));
copy.addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(python.textContent);
    copy.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(python); // where the page does not come by https
    copy.textContent = document.execCommand("copy") ? "Copied" : "Selected, for you to copy";
  }
  setTimeout(() => {
    copy.textContent = "Copy the Python";
  }, 2000);
});

name.value = "Sobel x";
name.dispatchEvent(new Event("change"));
bring();

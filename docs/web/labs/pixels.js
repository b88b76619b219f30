// "From pixels to class": every number of the book's network, and what it comes from.

import { arrow, clamp } from "../figures/sums.mjs";
import { embedded, forward, parts, softmax } from "./nn.mjs";
import { pad, recallInk, SIDE } from "./pad.mjs";
import { hue, largest, paint, signed } from "./paint.mjs";

const { layers, examples, thick } = embedded("draw-data");
const lab = document.querySelector(".lab");
// What the page says of each kind of step, with links to its chapters.
const KINDS = ["Picture", "Conv2d", "ReLU", "MaxPool2d", "Linear", "Softmax"];
const told = [...lab.querySelectorAll("li")].map(each => each.innerHTML);
const NAMES = ["picture", "convolution", "ReLU", "pooling", "scores", "softmax"];
const steps = [{ kind: "Picture" }, ...layers, { kind: "Softmax" }].filter(
  ({ kind }) => kind !== "Flatten", // which changes no number
);
const name = s => NAMES[KINDS.indexOf(steps[s].kind)];
// What is chosen, in words.
const called = (s, f) =>
  ({ Picture: "picture", Linear: `score of class ${f}`, Softmax: `probability of class ${f}` })[
    steps[s].kind
  ] ?? `${name(s)}, map ${f}`;
const isList = s => ["Linear", "Softmax"].includes(steps[s].kind); // ten numbers, and no maps
const times = shape => shape.join(" × ");
const count = n => [...Array(n).keys()];

// A number as it is read: rounded, with a minus sign, and zero without any.
function read(value, digits = 3) {
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
}

const slice = ({ shape: [, H, W], data }, f) => data.slice(f * H * W, (f + 1) * H * W);

let volumes = []; // what each step gives
const at = { s: 1, f: 0, i: 11, j: 11, c: 0 }; // step, map, row, column, and the map it is shown from

function compute(x) {
  const picture = { shape: [1, SIDE, SIDE], data: x };
  const outputs = forward(layers, picture).filter((_, n) => layers[n].kind !== "Flatten");
  const scores = { shape: [10, 1, 1], data: outputs.pop().data };
  volumes = [picture, ...outputs, scores, { shape: [10, 1, 1], data: softmax(scores.data) }];
  lab.volumes = volumes; // for whoever asks: tests compare them with the package's
}
compute(new Float64Array(SIDE * SIDE));

// The page

const map = ([, H, W], more = "") =>
  `<span class="map"${more}><canvas width="${W}" height="${H}"></canvas><i hidden></i></span>`;
const button = (label, inside) =>
  `<button type="button" tabindex="-1" aria-label="${label}">${inside}</button>`;

function overview(s) {
  const { shape } = volumes[s];
  const tile = f => button(called(s, f), isList(s) ? `<b>${f}</b> <span></span>` : map(shape));
  const tiles = count(shape[0]).map(tile).join("");
  const kind = `${isList(s) ? "list" : "stack"} n${shape[0]}`;
  const size = isList(s) ? "10" : times(shape.slice(1));
  const pad = `<div class="drawing"><canvas class="sheet" width="224" height="224" role="img"
    aria-label="A sheet to draw on, with any pointer"></canvas>
    <button type="button" class="undo">Undo</button>
    <button type="button" class="clear">Clear</button></div>`;
  return `<div class="step ${kind}" role="group" aria-label="step ${1 + s}: ${name(s)}">
    <p><b>${name(s)}</b> <small>${size}</small></p>
    <div class="tiles">${tiles}</div>${s ? "" : pad}</div>`;
}

const example = ({ label }) => `<button type="button" aria-label="a ${label}">${label}</button>`;
lab.innerHTML = `
  <p class="examples">Take ${examples.map(example).join("")}
    <button type="button" class="mine" data-kept="drawing">your drawing</button>
    <button type="button" class="mine" data-kept="picture">your picture</button>
    <button type="button" class="mine" data-kept="picture" data-turned>its negative</button>
    or draw. <strong class="answer" role="status"></strong></p>
  <div class="steps"><svg aria-hidden="true"></svg>${count(steps.length).map(overview).join("")}</div>
  <div class="panel">
    <div class="walk"><button type="button" class="back">←</button>
      <strong class="here"></strong><button type="button" class="next">→</button></div>
    <div class="glass">
      <div class="chosen">${map([1, 1, 1], ' tabindex="0" role="application" aria-describedby="keys"')}
        <p class="scale"></p></div>
      <div class="from"></div>
    </div>
    <div class="sum"></div>
    <p class="words" role="status"></p>
    <div class="told"></div>
  </div>
  <p id="keys">Choose a number by a click or a tap. With keys: in the pictures above, ← and → lead
    from step to step, ↑ and ↓ from map to map; on the large map the arrows lead from number to
    number. Maps, rows and columns are counted from 0, as in Python.</p>`;

const find = selector => lab.querySelector(selector);
const stage = find(".steps");
const links = find("svg");
const tiles = [...lab.querySelectorAll(".tiles")].map(each => [...each.children]);
const chosen = find(".chosen");
const glass = chosen.querySelector(".map");
const from = find(".from");
const sum = find(".sum");
const words = find(".words");
const panel = find(".panel");

function mark(element, [, H, W], box) {
  const frame = element.querySelector("i");
  frame.hidden = !box;
  if (!box) return;
  const [top, left, bottom, right] = box;
  Object.assign(frame.style, {
    top: `${(100 * top) / H}%`,
    left: `${(100 * left) / W}%`,
    height: `${(100 * (bottom - top)) / H}%`,
    width: `${(100 * (right - left)) / W}%`,
  });
}

// Which part of a step's input one part of its output sees, [top, left, bottom, right].
function seen(s, [top, left, bottom, right]) {
  const { kind, weight, kernel_size, stride } = steps[s];
  if (kind === "Picture" || kind === "ReLU") return [top, left, bottom, right];
  if (isList(s)) return [0, 0, ...volumes[s - 1].shape.slice(1)];
  const k = kind === "Conv2d" ? weight.shape[2] : kernel_size[0];
  return [
    ...[top, left].map(first => first * stride[0]),
    ...[bottom, right].map(end => (end - 1) * stride[0] + k),
  ];
}

// What is above the line: all maps, all numbers, and lines from the sources of what is chosen.

function showAll() {
  volumes.forEach((volume, s) => {
    const most = largest(volume.data);
    tiles[s].forEach((tile, f) => {
      if (!isList(s)) {
        paint(tile.querySelector("canvas"), slice(volume, f), signed(most));
        return;
      }
      const value = volume.data[f];
      const share = steps[s].kind === "Softmax";
      tile.lastElementChild.textContent = share ? `${read(100 * value, 1)} %` : read(value, 1);
      tile.style.setProperty("--color", `rgb(${hue(value).join(" ")} / 0.4)`);
      tile.style.setProperty("--share", `${(100 * Math.abs(value)) / most}%`);
    });
  });
  const p = [...volumes.at(-1).data];
  const best = p.indexOf(Math.max(...p));
  const answer = `The network’s answer: ${best}, with ${read(100 * p[best], 1)} %.`;
  if (find(".answer").textContent !== answer) find(".answer").textContent = answer;
}

function showMarks(sums) {
  const boxes = [];
  let box = [at.i, at.j, at.i + 1, at.j + 1];
  for (let s = at.s; s >= 0; s--) {
    boxes[s] = box;
    box = seen(s, box);
  }
  const sources = tiles[at.s - 1]?.length === tiles[at.s].length && !isList(at.s) ? [at.f] : null;
  tiles.forEach((row, s) => {
    row.forEach((tile, f) => {
      const here = s === at.s && f === at.f;
      const source = s === at.s - 1 && (!sources || sources.includes(f));
      tile.setAttribute("aria-pressed", here);
      tile.tabIndex = here ? 0 : -1;
      tile.classList.toggle("source", source);
      if (!isList(s)) mark(tile, volumes[s].shape, (here || source || s === 0) && boxes[s]);
    });
  });
  showLinks(sums);
}

// A line for each source, from its edge to that of what is chosen: to the right, or down.
function showLinks(sums) {
  const ground = stage.getBoundingClientRect();
  const to = tiles[at.s][at.f].getBoundingClientRect();
  const most = sums && largest(sums);
  const lines = stage.querySelectorAll(".source");
  links.innerHTML = [...lines]
    .map((source, n) => {
      const box = source.getBoundingClientRect();
      const aside = box.right <= to.left;
      const [x, y, X, Y] = aside
        ? [box.right, box.top + box.height / 2, to.left, to.top + to.height / 2]
        : [box.left + box.width / 2, box.bottom, to.left + to.width / 2, to.top];
      const [a, b, c, d] = [x - ground.left, y - ground.top, X - ground.left, Y - ground.top];
      const bend = aside
        ? `${(a + c) / 2} ${b} ${(a + c) / 2} ${d}`
        : `${a} ${(b + d) / 2} ${c} ${(b + d) / 2}`;
      const stroke = sums ? `rgb(${hue(sums[n]).join(" ")})` : "currentColor";
      const strength = sums ? 0.25 + (0.75 * Math.abs(sums[n])) / (most || 1) : 0.7;
      return `<path d="M${a} ${b}C${bend} ${c} ${d}" stroke="${stroke}" opacity="${strength}"/>`;
    })
    .join("");
}

// What is below the line: what is chosen, large; what it comes from; and the sum in numbers.

function grid(title, values, columns, { most = largest(values), strong = -1 } = {}) {
  const cell = (value, n) =>
    `<td${n === strong ? ' class="strong"' : ""} style="background: rgb(${hue(value).join(" ")} /
      ${(0.5 * Math.abs(value)) / (most || 1)})">${read(value, 2)}</td>`;
  const rows = count(values.length / columns).map(row => {
    const cells = values.slice(row * columns, (row + 1) * columns);
    return `<tr>${cells.map((value, n) => cell(value, row * columns + n)).join("")}</tr>`;
  });
  return `<table class="numbers"><caption>${title}</caption>${rows.join("")}</table>`;
}

// The pictures of what a step comes from; another number of the same step only changes them.
let framed = -1;
function frame(kind, inside) {
  if (framed === at.s) return;
  framed = at.s;
  from.className = `from ${kind}`;
  from.innerHTML = inside().join("");
}

const sign = text => `<span class="sign">${text}</span>`;
const place = () => `row ${at.i}, column ${at.j}`;
const terms = numbers =>
  numbers.map((value, n) =>
    n ? `${value < 0 ? "−" : "+"}\u00a0${read(Math.abs(value))}` : read(value),
  );
const series = (words, last) => `${words.slice(0, -1).join(", ")} ${last} ${words.at(-1)}`;

// A weighted sum: of patches with kernels, or of all that is pooled with a class's weights.
function showParts(value) {
  const { weight, bias, stride } = steps[at.s];
  const x = volumes[at.s - 1];
  const shape = isList(at.s) ? [10, ...x.shape] : weight.shape;
  const step = isList(at.s) ? 1 : stride[0];
  const found = parts(x, { shape, data: weight.data }, at.f, at.i * step, at.j * step);
  const sums = found.map(part => part.sum);
  const [, C, k, width] = shape;
  at.c = Math.min(at.c, C - 1);
  const several = C > 1 || isList(at.s);
  const item = c => `<button type="button"><small>${c}</small>${map(x.shape)}
    ${map([1, k, width])}${map([1, k, width])}<b></b></button>`;
  if (several)
    frame(`many n${C}`, () => [
      `<p>Of each map before: its numbers, the ${isList(at.s) ? "weights" : "kernel"}, the products,
      their sum.</p>`,
      ...count(C).map(item),
    ]);
  else frame("one", () => [map(x.shape)]);
  const box = seen(at.s, [at.i, at.j, at.i + 1, at.j + 1]);
  const scale = key => largest(found.flatMap(part => part[key]));
  const scales = [largest(x.data), scale("kernel"), scale("products")];
  (several ? from.querySelectorAll("button") : [from]).forEach((each, c) => {
    const [source, kernel, product] = each.querySelectorAll(".map");
    paint(source.firstChild, slice(x, c), signed(scales[0]));
    mark(source, x.shape, !isList(at.s) && box);
    if (!several) return;
    each.setAttribute("aria-pressed", c === at.c);
    each.setAttribute("aria-label", `from map ${c}: ${read(sums[c])}`);
    each.lastChild.textContent = read(sums[c], 2);
    paint(kernel.firstChild, found[c].kernel, signed(scales[1]));
    paint(product.firstChild, found[c].products, signed(scales[2]));
  });
  const part = found[at.c];
  sum.innerHTML =
    grid(several ? `map ${at.c}` : "patch", part.patch, width, { most: scales[0] }) +
    sign("×") +
    grid(isList(at.s) ? "weights" : "kernel", part.kernel, width, { most: scales[1] }) +
    sign("=") +
    grid(`sum ${read(part.sum)}`, part.products, width, { most: scales[2] });
  const added = bias.data[at.f];
  const whole = `${terms([...sums, added]).join(" ")} = <b>${read(value)}</b>`;
  if (isList(at.s)) {
    const order = count(C).sort((a, b) => sums[b] - sums[a]);
    const most = list =>
      series(
        list.map(c => `map ${c} (${read(sums[c], 1)})`),
        "and",
      );
    words.innerHTML = `For class ${at.f} speak most ${most(order.slice(0, 3))}; against it
      ${most(order.slice(-3).reverse())}. All ${C} sums and the bias ${read(added)} give the score
      <b>${read(value)}</b>.`;
  } else {
    words.innerHTML = `${several ? `The sums of the ${C} maps` : `The sum of the ${k * k} products`}
      and the bias, last: ${whole}, at ${place()}.`;
  }
  return sums;
}

function showRelu(value) {
  const [before] = windowOf();
  sum.innerHTML = grid("before", [before], 1) + sign("→") + grid("after", [value], 1);
  words.innerHTML =
    before < 0
      ? `${read(before)} is below 0, so ReLU gives <b>0</b>.`
      : `${read(before)} is not below 0, so ReLU leaves it: <b>${read(value)}</b>.`;
}

function showPool(value) {
  const values = windowOf();
  const { kernel_size } = steps[at.s];
  const strong = values.indexOf(value);
  sum.innerHTML =
    grid("window", values, kernel_size[1], { strong }) + sign("→") + grid("largest", [value], 1);
  words.innerHTML = `The largest of ${series(
    values.map(each => read(each)),
    "and",
  )} is
    <b>${read(value)}</b>.`;
}

// The numbers of the map before that the chosen number sees.
function windowOf() {
  const x = volumes[at.s - 1];
  const [top, left, bottom, right] = seen(at.s, [at.i, at.j, at.i + 1, at.j + 1]);
  frame("one", () => [map(x.shape)]);
  paint(from.querySelector("canvas"), slice(x, at.f), signed(largest(x.data)));
  mark(from, x.shape, [top, left, bottom, right]);
  const values = slice(x, at.f);
  const rows = count(bottom - top).map(u => (top + u) * x.shape[2]);
  return rows.flatMap(row => [...values.slice(row + left, row + right)]);
}

function showSoftmax(value) {
  const z = volumes[at.s - 1].data;
  const most = Math.max(...z);
  const powers = [...z].map(score => Math.exp(score - most));
  const whole = powers.reduce((a, b) => a + b);
  const row = (power, k) => `<tr${k === at.f ? ' class="strong"' : ""}><th scope="row">${k}</th>
    <td>${read(z[k])}</td><td>${read(z[k] - most)}</td><td>${read(power, 4)}</td>
    <td>${read(power / whole, 4)}</td></tr>`;
  const heads = ["class", "score", "minus the largest", "exponential", "share"];
  frame("table", () => [
    `<table class="shares"><thead><tr>`,
    ...heads.map(head => `<th scope="col">${head}</th>`),
    "</tr></thead><tbody></tbody><tfoot></tfoot></table>",
  ]);
  from.querySelector("tbody").innerHTML = powers.map(row).join("");
  from.querySelector("tfoot").innerHTML = `<tr><th scope="row">sum</th><td></td><td></td>
    <td>${read(whole, 4)}</td><td>1</td></tr>`;
  sum.innerHTML = "";
  words.innerHTML = `exp(${read(z[at.f])} − ${most < 0 ? `(${read(most)})` : read(most)}) =
    ${read(powers[at.f], 4)}, and ${read(powers[at.f], 4)} / ${read(whole, 4)} =
    ${read(value, 4)}: the probability of class ${at.f} is <b>${read(100 * value, 1)} %</b>.`;
}

function showPicture(value) {
  frame("none", () => []);
  sum.innerHTML = "";
  words.innerHTML = `The pixel at ${place()} is <b>${read(value)}</b>: ${Math.round(255 * value)}
    of 255.`;
}

const SHOW = {
  Picture: showPicture,
  Conv2d: showParts,
  ReLU: showRelu,
  MaxPool2d: showPool,
  Linear: showParts,
  Softmax: showSoftmax,
};

function show() {
  const volume = volumes[at.s];
  const [, H, W] = volume.shape;
  const { kind } = steps[at.s];
  find(".told").innerHTML = told[KINDS.indexOf(kind)];
  find(".here").textContent = `Step ${1 + at.s}: ${called(at.s, at.f)}`;
  for (const [direction, step] of [
    ["back", -1],
    ["next", 1],
  ]) {
    const there = steps[at.s + step];
    const turn = find(`.${direction}`);
    const word = there ? name(at.s + step) : "";
    turn.textContent = step < 0 ? `← ${word}` : `${word} →`;
    turn.setAttribute("aria-disabled", !there);
  }
  chosen.hidden = isList(at.s);
  if (!chosen.hidden) {
    const canvas = glass.querySelector("canvas");
    Object.assign(canvas, { width: W, height: H });
    const most = largest(volume.data);
    paint(canvas, slice(volume, at.f), signed(most));
    mark(glass, volume.shape, [at.i, at.j, at.i + 1, at.j + 1]);
    glass.setAttribute("aria-label", `${find(".here").textContent}: numbers, by the arrow keys`);
    const low = volume.data.some(value => value < 0) ? `<span>−${read(most, 1)}</span>` : "";
    chosen.querySelector(".scale").innerHTML =
      `${low}<i class="${low ? "both" : ""}"></i><span>${read(most, 1)}</span>`;
  }
  const value = volume.data[(at.f * H + at.i) * W + at.j];
  showMarks(SHOW[kind](value));
}

// To another step, map or number; the same part of the picture stays chosen.
function go(s, f = at.f, i, j) {
  const [, oldH, oldW] = volumes[at.s].shape;
  const [C, H, W] = volumes[s].shape;
  if (!isList(s)) {
    const scaled = (place, old, now) => Math.floor(((place + 0.5) * now) / old);
    if (isList(at.s)) Object.assign(at, { i: H >> 1, j: W >> 1 });
    else Object.assign(at, { i: scaled(at.i, oldH, H), j: scaled(at.j, oldW, W) });
    Object.assign(at, { i: clamp(0, i ?? at.i, H - 1), j: clamp(0, j ?? at.j, W - 1) });
  } else Object.assign(at, { i: 0, j: 0 });
  at.f = clamp(0, f, C - 1);
  at.s = s;
  show();
}

// The row and column of a map that a pointer is at.
function pointed(event, element, [, H, W]) {
  const { left, top, width, height } = element.getBoundingClientRect();
  if (!event.detail && event.type === "click") return []; // by a key
  const cell = (place, size, n) => clamp(0, Math.floor((place * n) / size), n - 1);
  return [cell(event.clientY - top, height, H), cell(event.clientX - left, width, W)];
}

tiles.forEach((row, s) => {
  row.forEach((tile, f) => {
    tile.addEventListener("click", event => {
      const shown = tile.querySelector(".map");
      go(s, f, ...(shown ? pointed(event, shown, volumes[s].shape) : []));
      // On a phone what was chosen is shown below all the maps.
      if (event.detail && panel.getBoundingClientRect().top > innerHeight - 100)
        panel.scrollIntoView({ block: "start" });
    });
  });
});

stage.addEventListener("keydown", event => {
  const by = event.target.closest(".tiles") && arrow(event);
  if (!by) return;
  const [down, right] = by;
  event.preventDefault();
  const s = clamp(0, at.s + right, steps.length - 1);
  go(s, isList(s) && !isList(at.s) ? best() : at.f + down);
  tiles[at.s][at.f].focus();
});
glass.addEventListener("keydown", event => {
  const by = arrow(event);
  if (!by) return;
  const [down, right] = by;
  event.preventDefault();
  go(at.s, at.f, at.i + down, at.j + right);
});

function point(event) {
  go(at.s, at.f, ...pointed(event, glass, volumes[at.s].shape));
}
// A mouse chooses where it is pressed and moved; a finger that only scrolls makes no click.
for (const kind of ["pointerdown", "pointermove"])
  glass.addEventListener(kind, event => {
    if (event.pointerType === "mouse" && event.buttons === 1) point(event);
  });
glass.addEventListener("click", point);

// Where a list of classes is entered, the one that the network reads is chosen.
function best() {
  const p = [...volumes.at(-1).data];
  return p.indexOf(Math.max(...p));
}
function turn(step) {
  const s = clamp(0, at.s + step, steps.length - 1);
  go(s, isList(s) && !isList(at.s) ? best() : at.f);
}
find(".back").addEventListener("click", () => turn(-1));
find(".next").addEventListener("click", () => turn(1));
from.addEventListener("click", event => {
  const item = event.target.closest("button");
  if (!item) return;
  at.c = [...from.querySelectorAll("button")].indexOf(item);
  show();
});
// The lines need to know where all stands: the browser says so first when the page has been laid out.
new ResizeObserver(show).observe(stage);

// The picture

function offer() {
  for (const mine of lab.querySelectorAll(".mine")) mine.hidden = !recallInk(mine.dataset.kept);
}
const { replace, clear, undo } = pad(find(".sheet"), thick, x => {
  compute(x);
  showAll();
  offer();
  if (framed >= 0) show(); // what is chosen is first shown by the observer
});
find(".undo").addEventListener("click", undo);
find(".clear").addEventListener("click", clear);
lab.querySelectorAll(".examples button:not(.mine)").forEach((button, n) => {
  button.addEventListener("click", () => replace(examples[n].x.data));
});
for (const mine of lab.querySelectorAll(".mine"))
  mine.addEventListener("click", () => {
    const x = recallInk(mine.dataset.kept);
    if (!x) return offer(); // it was forgotten on another page
    replace("turned" in mine.dataset ? x.map(value => 1 - value) : x);
  });
replace(recallInk("drawing") ?? examples[8].x.data);

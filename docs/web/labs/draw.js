// "Draw a digit": the reader's strokes, what the network sees of them, and what it answers.

import { embedded, forward, softmax } from "./nn.mjs";

const { layers, examples, ink } = embedded("draw-data");
const lab = document.querySelector(".lab");
const SIDE = 32;
const HALF = SIDE / 2;
const WIDE = 20;
const FULL = 16;
const SHOWN = { ReLU: "convolution and ReLU", MaxPool2d: "max pooling" };

const bar = (_, digit) =>
  `<tr><th scope="row">${digit}</th><td><div class="bar"></div></td><td></td></tr>`;
const example = ({ label }) => `<button type="button" aria-label="a ${label}">${label}</button>`;
lab.innerHTML = `
  <div class="drawing">
    <div>Draw here, with any pointer<canvas class="sheet" width="448" height="448" role="img"
      aria-label="A sheet to draw on. Without a pointer, set the cells of what the network sees."
      ></canvas><button type="button" class="clear">Clear</button></div>
    <div class="answer"><strong role="status"></strong>
      <table class="bars" aria-label="Probability of each digit">${examples.map(bar).join("")}
      </table></div>
    <div><span id="seen">What the network sees</span>
      <div class="cells" role="grid" aria-labelledby="seen" aria-describedby="keys"></div></div>
  </div>
  <p class="examples">Or take a test image:
    ${examples.map(example).join("")}</p>
  <p id="keys">The 8 × 8 cells can be set one by one, by a click, or with the arrow keys and the
    space bar.</p>
  <div class="volumes"></div>`;

const sheet = lab.querySelector(".sheet");
const pen = sheet.getContext("2d");
const cells = lab.querySelector(".cells");
const said = lab.querySelector("[role=status]");
const volumes = lab.querySelector(".volumes");
const bars = [...lab.querySelectorAll(".bars tr")];
let strokes = []; // each a list of points [column, row] on the sheet
let x = new Float64Array(64); // what the network sees: 0 (paper) to 1 (ink)

// How far a point is from the piece of a stroke between a and b.
function distance([j, i], [aj, ai], [bj, bi]) {
  const [dj, di] = [bj - aj, bi - ai];
  const long = dj * dj + di * di;
  const part = long && Math.min(1, Math.max(0, ((j - aj) * dj + (i - ai) * di) / long));
  return Math.hypot(j - aj - part * dj, i - ai - part * di);
}

// Make a drawing like the data: 32 pixels high and 20 wide, as thick as gives it their usual ink,
// in the middle of a bitmap of 32 × 32, whose black pixels are counted in each block of 4 × 4.
// No side grows more than 1.6 times as much as the other, so that a 1 stays a stroke.
function prepare(strokes) {
  const points = strokes.flat();
  const counts = new Float64Array(64);
  if (!points.length) return counts;
  const [left, top] = [0, 1].map(axis => Math.min(...points.map(point => point[axis])));
  const [right, bottom] = [0, 1].map(axis => Math.max(...points.map(point => point[axis])));
  for (let r = 1, black = 0; black < ink && r <= 8; r += 0.25) {
    const fit = [
      (WIDE - 2 * r) / Math.max(right - left, 1),
      (SIDE - 2 * r) / Math.max(bottom - top, 1),
    ];
    const [across, down] = [Math.min(fit[0], 1.6 * fit[1]), Math.min(fit[1], 1.6 * fit[0])];
    const fitted = strokes.map(stroke =>
      stroke.map(([j, i]) => [
        HALF + across * (j - (left + right) / 2),
        HALF + down * (i - (top + bottom) / 2),
      ]),
    );
    counts.fill(0);
    black = 0;
    for (let at = 0; at < SIDE * SIDE; at++) {
      const [i, j] = [Math.floor(at / SIDE), at % SIDE];
      const near = (point, n, stroke) =>
        distance([j + 0.5, i + 0.5], stroke[Math.max(0, n - 1)], point) <= r;
      if (fitted.some(stroke => stroke.some(near))) {
        black++;
        counts[8 * (i >> 2) + (j >> 2)]++;
      }
    }
  }
  return counts.map(count => count / FULL);
}

const shade = value => Math.round(255 * Math.min(1, value));

function show() {
  [...cells.querySelectorAll("[role=gridcell]")].forEach((cell, at) => {
    const value = shade(x[at]);
    cell.style.background = `rgb(${value} ${value} ${value})`;
    cell.setAttribute(
      "aria-label",
      `row ${1 + (at >> 3)}, column ${1 + (at % 8)}: ${Math.round(FULL * x[at])} of ${FULL}`,
    );
  });
  const outputs = forward(layers, { shape: [1, 8, 8], data: x });
  const empty = x.every(value => value === 0);
  const p = softmax(outputs.at(-1).data);
  const best = p.indexOf(Math.max(...p));
  bars.forEach((bar, digit) => {
    bar.querySelector(".bar").style.width = empty ? 0 : `${100 * p[digit]}%`;
    bar.lastElementChild.textContent = empty ? "" : `${(100 * p[digit]).toFixed(1)} %`;
  });
  const words = empty
    ? "The sheet is empty: there is nothing to read."
    : `This looks like a ${best}.`;
  if (said.textContent !== words) said.textContent = words; // and so is spoken once
  maps(outputs.filter((_, number) => layers[number].kind in SHOWN));
}

// The maps of each layer on one scale: black is 0, white the largest number of the layer.
function maps(outputs) {
  outputs.forEach(({ shape: [, H, W], data }, number) => {
    const most = Math.max(...data) || 1;
    volumes.children[number].querySelectorAll("canvas").forEach((canvas, f) => {
      const picture = new ImageData(W, H);
      for (let at = 0; at < H * W; at++) {
        const value = shade(data[f * H * W + at] / most);
        picture.data.set([value, value, value, 255], 4 * at);
      }
      canvas.getContext("2d").putImageData(picture, 0, 0);
    });
  });
}

forward(layers, { shape: [1, 8, 8], data: x }).forEach(({ shape: [F, H, W] }, number) => {
  const { kind } = layers[number];
  if (!(kind in SHOWN)) return;
  const title = `After ${SHOWN[kind]}: ${F} maps of ${H} × ${W}`;
  const canvases = `<canvas width="${W}" height="${H}"></canvas>`.repeat(F);
  const shown = `${title}<div class="maps" role="img" aria-label="${title}">${canvases}</div>`;
  volumes.insertAdjacentHTML("beforeend", `<div>${shown}</div>`);
});

function draw() {
  pen.clearRect(0, 0, sheet.width, sheet.height);
  Object.assign(pen, { lineWidth: 28, lineCap: "round", lineJoin: "round" });
  for (const stroke of strokes) {
    pen.beginPath();
    for (const point of [stroke[0], ...stroke]) pen.lineTo(...point); // a point alone is a dot
    pen.stroke();
  }
}

let waiting = false;
function drawn() {
  draw();
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    x = prepare(strokes);
    show();
  });
}

function replace(picture) {
  strokes = []; // what was not drawn has none
  draw();
  x = Float64Array.from(picture);
  show();
}

const place = event =>
  [event.offsetX, event.offsetY].map(distance => (distance * sheet.width) / sheet.clientWidth);
sheet.addEventListener("pointerdown", event => {
  if (event.button) return;
  event.preventDefault();
  sheet.setPointerCapture(event.pointerId);
  strokes.push([place(event)]);
  drawn();
});
sheet.addEventListener("pointermove", event => {
  if (!sheet.hasPointerCapture(event.pointerId)) return;
  const stroke = strokes.at(-1);
  const point = place(event);
  const last = stroke.at(-1);
  if (Math.hypot(point[0] - last[0], point[1] - last[1]) < 6) return; // so near adds only work
  stroke.push(point);
  drawn();
});

cells.innerHTML =
  `<div role="row">${'<div role="gridcell" tabindex="-1"></div>'.repeat(8)}</div>`.repeat(8);
const all = [...cells.querySelectorAll("[role=gridcell]")];
all[0].tabIndex = 0;
function toggle(at) {
  const changed = x.slice();
  changed[at] = changed[at] < 0.5 ? 1 : 0;
  replace(changed);
}
// One cell at a time is reached by Tab.
function go(at) {
  for (const cell of all) cell.tabIndex = -1;
  all[at].tabIndex = 0;
  all[at].focus();
}
cells.addEventListener("click", event => {
  const at = all.indexOf(event.target);
  if (at < 0) return;
  go(at);
  toggle(at);
});
cells.addEventListener("keydown", event => {
  const at = all.indexOf(event.target);
  const j = at % 8;
  const steps = { ArrowUp: -8, ArrowDown: 8, ArrowLeft: j && -1, ArrowRight: j < 7 && 1 };
  if (event.key === " ") toggle(at);
  else if (event.key in steps) go(all[at + steps[event.key]] ? at + steps[event.key] : at);
  else return;
  event.preventDefault();
});

lab.querySelector(".clear").addEventListener("click", () => replace(new Float64Array(64)));
lab.querySelectorAll(".examples button").forEach((button, number) => {
  button.addEventListener("click", () => replace(examples[number].x.data));
});
show();

// "Draw a digit": the reader's strokes, what the network sees of them, and what it answers.

import { embedded, forward, softmax } from "./nn.mjs";

const { layers, examples, thick } = embedded("draw-data");
const lab = document.querySelector(".lab");
const SIDE = 28;
const BOX = 20; // the longer side of a digit
const MIDDLE = SIDE / 2 + 0.5; // where the centre of its ink is
const SPARE = (SIDE - BOX) / 2;
const LARGEST = 255;
const SHOWN = { ReLU: "convolution and ReLU", MaxPool2d: "max pooling" };

const bar = (_, digit) =>
  `<tr><th scope="row">${digit}</th><td><div class="bar"></div></td><td></td></tr>`;
const example = ({ label }) => `<button type="button" aria-label="a ${label}">${label}</button>`;
lab.innerHTML = `
  <div class="drawing">
    <div>Draw here, with any pointer<canvas class="sheet" width="448" height="448" role="img"
      aria-label="A sheet to draw on. Without a pointer, set the pixels of what the network sees."
      ></canvas><button type="button" class="undo">Undo</button>
      <button type="button" class="clear">Clear</button></div>
    <div class="answer"><strong role="status"></strong>
      <table class="bars" aria-label="Probability of each digit">${examples.map(bar).join("")}
      </table></div>
    <div><span id="seen">What the network sees</span>
      <canvas class="cells" width="${SIDE}" height="${SIDE}" tabindex="0" role="application"
        aria-labelledby="seen" aria-describedby="keys"></canvas>
      <div class="at" role="log"></div></div>
  </div>
  <p class="examples">Or take a test image:
    ${examples.map(example).join("")}</p>
  <p id="keys">The 28 × 28 pixels can be set one by one, by a click, or with the arrow keys and the
    space bar.</p>
  <div class="volumes"></div>`;

const sheet = lab.querySelector(".sheet");
const pen = sheet.getContext("2d");
const cells = lab.querySelector(".cells");
const told = lab.querySelector(".at");
const said = lab.querySelector("[role=status]");
const volumes = lab.querySelector(".volumes");
const bars = [...lab.querySelectorAll(".bars tr")];
let strokes = []; // each a list of points [column, row] on the sheet
let x = new Float64Array(SIDE * SIDE); // what the network sees: 0 (paper) to 1 (ink)
let at = 0; // the pixel that the keys have reached

// How far a point is from the piece of a stroke between a and b.
function distance([j, i], [aj, ai], [bj, bi]) {
  const [dj, di] = [bj - aj, bi - ai];
  const long = dj * dj + di * di;
  const part = long && Math.min(1, Math.max(0, ((j - aj) * dj + (i - ai) * di) / long));
  return Math.hypot(j - aj - part * dj, i - ai - part * di);
}

// How much of each pixel strokes of this thickness cover, moved by so much.
function inked(strokes, across, down) {
  const ink = new Float64Array(SIDE * SIDE);
  for (let at = 0; at < ink.length; at++) {
    const place = [(at % SIDE) + 0.5 - across, Math.floor(at / SIDE) + 0.5 - down];
    let near = Number.POSITIVE_INFINITY;
    for (const stroke of strokes)
      stroke.forEach((point, n) => {
        near = Math.min(near, distance(place, stroke[Math.max(0, n - 1)], point));
      });
    ink[at] = Math.min(1, Math.max(0, thick / 2 + 0.5 - near));
  }
  return ink;
}

// Make a drawing like the data: its longer side has 20 pixels, the strokes are as thick as most, the
// centre of the ink is in the middle as far as nothing is cut off, and a pixel has one of 256 values.
function prepare(strokes) {
  const points = strokes.flat();
  if (!points.length) return new Float64Array(SIDE * SIDE);
  const low = [0, 1].map(axis => Math.min(...points.map(point => point[axis])));
  const high = [0, 1].map(axis => Math.max(...points.map(point => point[axis])));
  const scale = (BOX - thick) / Math.max(high[0] - low[0], high[1] - low[1], 1);
  const fitted = strokes.map(stroke =>
    stroke.map(point =>
      point.map((place, axis) => SIDE / 2 + scale * (place - (low[axis] + high[axis]) / 2)),
    ),
  );
  let [whole, column, row] = [0, 0, 0];
  inked(fitted, 0, 0).forEach((ink, at) => {
    whole += ink;
    column += ink * ((at % SIDE) + 0.5);
    row += ink * (Math.floor(at / SIDE) + 0.5);
  });
  const shift = [column, row].map(sum => Math.min(SPARE, Math.max(-SPARE, MIDDLE - sum / whole)));
  return inked(fitted, ...shift).map(ink => Math.round(LARGEST * ink) / LARGEST);
}

const shade = value => Math.round(LARGEST * Math.min(1, value));

function paint(canvas, width, values) {
  const picture = new ImageData(width, values.length / width);
  values.forEach((value, at) => {
    picture.data.set([shade(value), shade(value), shade(value), LARGEST], 4 * at);
  });
  canvas.getContext("2d").putImageData(picture, 0, 0);
}

function show() {
  paint(cells, SIDE, x);
  const outputs = forward(layers, { shape: [1, SIDE, SIDE], data: x });
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
      paint(
        canvas,
        W,
        data.slice(f * H * W, (f + 1) * H * W).map(value => value / most),
      );
    });
  });
}

forward(layers, { shape: [1, SIDE, SIDE], data: x }).forEach(({ shape: [F, H, W] }, number) => {
  const { kind } = layers[number];
  if (!(kind in SHOWN)) return;
  const title = `After ${SHOWN[kind]}: ${F} maps of ${H} × ${W}`;
  const canvases = `<canvas width="${W}" height="${H}"></canvas>`.repeat(F);
  const shown = `${title}<div class="maps" role="img" aria-label="${title}">${canvases}</div>`;
  volumes.insertAdjacentHTML("beforeend", `<div>${shown}</div>`);
});

function draw() {
  pen.clearRect(0, 0, sheet.width, sheet.height);
  if (!strokes.length) {
    const wide = sheet.width / SIDE; // a picture that was not drawn here: its ink, pixel by pixel
    x.forEach((ink, at) => {
      pen.fillStyle = `rgb(0 0 0 / ${ink})`;
      pen.fillRect(wide * (at % SIDE), wide * Math.floor(at / SIDE), wide, wide);
    });
  }
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
  x = Float64Array.from(picture);
  draw();
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

// The pixel that a click or a key has reached, and what it is now.
function tell() {
  const [i, j] = [Math.floor(at / SIDE), at % SIDE];
  told.textContent = `row ${1 + i}, column ${1 + j}: ${shade(x[at])} of ${LARGEST}`;
}
function toggle() {
  const changed = x.slice();
  changed[at] = changed[at] < 0.5 ? 1 : 0;
  replace(changed);
}
cells.addEventListener("pointerdown", event => {
  if (event.button) return;
  const [j, i] = [event.offsetX, event.offsetY].map(distance =>
    Math.min(SIDE - 1, Math.max(0, Math.floor((SIDE * distance) / cells.clientWidth))),
  );
  at = SIDE * i + j;
  toggle();
  tell();
});
cells.addEventListener("keydown", event => {
  const [i, j] = [Math.floor(at / SIDE), at % SIDE];
  const steps = {
    ArrowUp: i && -SIDE,
    ArrowDown: i < SIDE - 1 && SIDE,
    ArrowLeft: j && -1,
    ArrowRight: j < SIDE - 1 && 1,
  };
  if (event.key === " ") toggle();
  else if (event.key in steps) at += Number(steps[event.key]);
  else return;
  tell();
  event.preventDefault();
});

function undo() {
  strokes.pop();
  if (strokes.length) drawn();
  else replace(new Float64Array(SIDE * SIDE));
}
lab.querySelector(".undo").addEventListener("click", undo);
lab.addEventListener("keydown", event => {
  if (event.key !== "z" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  undo();
});
lab.querySelector(".clear").addEventListener("click", () => replace(new Float64Array(SIDE * SIDE)));
lab.querySelectorAll(".examples button").forEach((button, number) => {
  button.addEventListener("click", () => replace(examples[number].x.data));
});
replace(examples[3].x.data); // a digit is there before the reader draws one

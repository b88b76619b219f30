// A sheet to draw on, and what the network sees of the strokes: 28 × 28 numbers like the data's,
// from 0 (paper) to 1 (ink). What was drawn last, this browser keeps for other pages.

import { clamp } from "../figures/sums.mjs";
import { keep, recall } from "../page/kept.mjs";

export const SIDE = 28;
const BOX = 20; // the longer side of a digit
const MIDDLE = SIDE / 2 + 0.5; // where the centre of its ink is
const SPARE = (SIDE - BOX) / 2;
const LARGEST = 255;

export const empty = () => new Float64Array(SIDE * SIDE);

export const keepInk = (name, x) =>
  keep(name, x.some(Boolean) ? { ink: Array.from(x, value => Math.round(LARGEST * value)) } : {});

export function recallInk(name) {
  const { ink } = recall(name);
  if (ink?.length !== SIDE * SIDE) return null; // nothing was kept, or drawn
  return Float64Array.from(ink, value => value / LARGEST);
}

// The square in the middle of a picture, each of its 28 × 28 numbers the mean of those it covers.
export function shrunk({ shape: [, H, W], data }) {
  const side = Math.min(H, W);
  const edge = (spare, n) => Math.floor(spare / 2 + (n * side) / SIDE);
  return empty().map((_, at) => {
    const [i, j] = [Math.floor(at / SIDE), at % SIDE];
    const [top, left] = [edge(H - side, i), edge(W - side, j)];
    const bottom = Math.max(top + 1, edge(H - side, i + 1));
    const right = Math.max(left + 1, edge(W - side, j + 1));
    let sum = 0;
    for (let row = top; row < bottom; row++)
      for (let column = left; column < right; column++) sum += data[row * W + column];
    return sum / ((bottom - top) * (right - left));
  });
}

// How far a point is from the piece of a stroke between a and b.
function distance([j, i], [aj, ai], [bj, bi]) {
  const [dj, di] = [bj - aj, bi - ai];
  const long = dj * dj + di * di;
  const part = long && clamp(0, ((j - aj) * dj + (i - ai) * di) / long, 1);
  return Math.hypot(j - aj - part * dj, i - ai - part * di);
}

// How much of each pixel strokes of this thickness cover, moved by so much.
function inked(strokes, thick, across, down) {
  const ink = empty();
  for (let at = 0; at < ink.length; at++) {
    const place = [(at % SIDE) + 0.5 - across, Math.floor(at / SIDE) + 0.5 - down];
    let near = Number.POSITIVE_INFINITY;
    for (const stroke of strokes)
      stroke.forEach((point, n) => {
        near = Math.min(near, distance(place, stroke[Math.max(0, n - 1)], point));
      });
    ink[at] = clamp(0, thick / 2 + 0.5 - near, 1);
  }
  return ink;
}

// Make a drawing like the data: its longer side has 20 pixels, the strokes are as thick as most, the
// centre of the ink is in the middle as far as nothing is cut off, and a pixel has one of 256 values.
function prepare(strokes, thick) {
  const points = strokes.flat();
  if (!points.length) return empty();
  const low = [0, 1].map(axis => Math.min(...points.map(point => point[axis])));
  const high = [0, 1].map(axis => Math.max(...points.map(point => point[axis])));
  const scale = (BOX - thick) / Math.max(high[0] - low[0], high[1] - low[1], 1);
  const fitted = strokes.map(stroke =>
    stroke.map(point =>
      point.map((place, axis) => SIDE / 2 + scale * (place - (low[axis] + high[axis]) / 2)),
    ),
  );
  let [whole, column, row] = [0, 0, 0];
  inked(fitted, thick, 0, 0).forEach((ink, at) => {
    whole += ink;
    column += ink * ((at % SIDE) + 0.5);
    row += ink * (Math.floor(at / SIDE) + 0.5);
  });
  const shift = [column, row].map(sum => clamp(-SPARE, MIDDLE - sum / whole, SPARE));
  return inked(fitted, thick, ...shift).map(ink => Math.round(LARGEST * ink) / LARGEST);
}

// Let the reader draw on a canvas; `seen` is called with what the network sees whenever it changes.
// The sheet also shows a picture that was not drawn on it, by `replace`: it gives way to a stroke.
export function pad(sheet, thick, seen) {
  const pen = sheet.getContext("2d");
  // What each act of the reader left: the ink `under` the strokes, the strokes, each a list of points
  // [column, row] on the sheet, and `x`, what the network sees of both: the reader's drawing, which
  // the browser keeps. Beside a picture that is only looked at, the drawing is what was `kept`.
  const acts = [];
  let pointer = null; // the one that draws

  function draw() {
    const { under, strokes } = acts.at(-1);
    const wide = sheet.width / SIDE;
    pen.clearRect(0, 0, sheet.width, sheet.height);
    under.forEach((ink, at) => {
      if (!ink) return;
      pen.fillStyle = `rgb(0 0 0 / ${ink})`;
      pen.fillRect(wide * (at % SIDE), wide * Math.floor(at / SIDE), wide, wide);
    });
    Object.assign(pen, { lineWidth: sheet.width / 16, lineCap: "round", lineJoin: "round" });
    for (const stroke of strokes) {
      pen.beginPath();
      for (const point of [stroke[0], ...stroke]) pen.lineTo(...point); // a point alone is a dot
      pen.stroke();
    }
  }

  // Strokes alone are made like the data; on ink that is there they stay where they are.
  function look(changed = true) {
    const now = acts.at(-1);
    const laid = now.strokes.map(stroke =>
      stroke.map(point => point.map(place => (SIDE * place) / sheet.width)),
    );
    now.x = now.under.some(Boolean)
      ? inked(laid, thick, 0, 0).map((ink, at) => Math.max(ink, now.under[at]))
      : prepare(now.strokes, thick);
    if (changed && !now.kept && pointer === null) keepInk("drawing", now.x);
    seen(now.x);
  }
  function show() {
    draw();
    look();
  }
  function act(under, strokes, kept, by = null) {
    pointer = by; // a stroke that is not finished goes no further
    acts.push({ under, strokes, kept });
    show();
  }
  const replace = picture => act(picture, [], recallInk("drawing") ?? empty());
  const change = picture => act(picture, []);
  const clear = () => change(empty());
  function undo() {
    if (acts.length === 1) return;
    pointer = null;
    const changed = !acts.pop().kept; // else a picture was looked at, and what is kept is as it was
    const { kept } = acts.at(-1);
    if (changed && kept) keepInk("drawing", kept);
    draw();
    look(changed);
  }

  const place = event =>
    [event.offsetX, event.offsetY].map(distance =>
      clamp(0, (distance * sheet.width) / sheet.clientWidth, sheet.width),
    );
  sheet.addEventListener("pointerdown", event => {
    if (event.button || pointer !== null) return;
    event.preventDefault();
    sheet.setPointerCapture(event.pointerId);
    const { under, strokes, kept } = acts.at(-1);
    const drawn = [...(kept ? [] : strokes), [place(event)]];
    act(kept ? empty() : under, drawn, undefined, event.pointerId);
  });
  let waiting = false;
  sheet.addEventListener("pointermove", event => {
    if (event.pointerId !== pointer) return;
    const stroke = acts.at(-1).strokes.at(-1);
    const point = place(event);
    const last = stroke.at(-1);
    if (Math.hypot(point[0] - last[0], point[1] - last[1]) < 6) return; // so near adds only work
    stroke.push(point);
    draw();
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      look();
    });
  });
  sheet.addEventListener("lostpointercapture", event => {
    if (event.pointerId !== pointer) return;
    pointer = null;
    show();
  });
  return { replace, change, clear, undo };
}

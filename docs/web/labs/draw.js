// "Draw a digit": the reader's strokes, what the network sees of them, and what it answers.

import { arrow, clamp } from "../figures/sums.mjs";
import { embedded, forward, softmax } from "./nn.mjs";
import { empty, pad, recallInk, SIDE } from "./pad.mjs";
import { grey, paint } from "./paint.mjs";

const { layers, examples, thick } = embedded("draw-data");
const lab = document.querySelector(".lab");
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
      <div class="reached"><canvas class="cells" width="${SIDE}" height="${SIDE}" tabindex="0"
        role="application" aria-labelledby="seen" aria-describedby="keys"></canvas><span></span></div>
      <div class="at" role="log"></div></div>
  </div>
  <p class="examples">Or take a test image:
    ${examples.map(example).join("")}</p>
  <p id="keys">The 28 × 28 pixels can be set one by one, by a click, or with the arrow keys and the
    space bar.</p>
  <div class="volumes"></div>`;

const sheet = lab.querySelector(".sheet");
const cells = lab.querySelector(".cells");
const told = lab.querySelector(".at");
const said = lab.querySelector("[role=status]");
const volumes = lab.querySelector(".volumes");
const bars = [...lab.querySelectorAll(".bars tr")];
let x = empty(); // what the network sees: 0 (paper) to 1 (ink)
let at = 0; // the pixel that the keys have reached

function show(picture) {
  x = picture;
  told.textContent = ""; // it was said of another picture
  paint(cells, x, grey);
  const outputs = forward(layers, { shape: [1, SIDE, SIDE], data: x });
  const blank = x.every(value => value === 0);
  const p = softmax(outputs.at(-1).data);
  const best = p.indexOf(Math.max(...p));
  bars.forEach((bar, digit) => {
    bar.querySelector(".bar").style.width = blank ? 0 : `${100 * p[digit]}%`;
    bar.lastElementChild.textContent = blank ? "" : `${(100 * p[digit]).toFixed(1)} %`;
  });
  const words = blank
    ? "The sheet is empty: there is nothing to read."
    : `This looks like the digit ${best}.`;
  if (said.textContent !== words) said.textContent = words; // and so is spoken once
  maps(outputs.filter((_, number) => layers[number].kind in SHOWN));
}

// The maps of each layer on one scale: black is 0, white the largest number of the layer.
function maps(outputs) {
  outputs.forEach(({ shape: [, H, W], data }, number) => {
    const most = Math.max(...data) || 1;
    volumes.children[number].querySelectorAll("canvas").forEach((canvas, f) => {
      paint(canvas, data.slice(f * H * W, (f + 1) * H * W), value => grey(value / most));
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

const { replace, change, clear, undo } = pad(sheet, thick, show);

// The pixel that a click or a key has reached, and what it is now.
function tell() {
  const [i, j] = [Math.floor(at / SIDE), at % SIDE];
  const share = place => `${(100 * place) / SIDE}%`;
  Object.assign(cells.nextSibling.style, { left: share(j), top: share(i) });
  told.textContent = `row ${1 + i}, column ${1 + j}: ${Math.round(LARGEST * Math.min(1, x[at]))} of ${LARGEST}`;
}
function toggle() {
  const changed = x.slice();
  changed[at] = changed[at] < 0.5 ? 1 : 0;
  change(changed);
}
// A finger that only scrolls makes no click.
cells.addEventListener("click", event => {
  const [j, i] = [event.offsetX, event.offsetY].map(distance =>
    clamp(0, Math.floor((SIDE * distance) / cells.clientWidth), SIDE - 1),
  );
  at = SIDE * i + j;
  toggle();
  tell();
});
cells.addEventListener("keydown", event => {
  const steps = arrow(event);
  if (event.key === " ") toggle();
  else if (steps) {
    const [i, j] = [Math.floor(at / SIDE) + steps[0], (at % SIDE) + steps[1]].map(place =>
      clamp(0, place, SIDE - 1),
    );
    at = SIDE * i + j;
  } else return;
  tell();
  event.preventDefault();
});

lab.querySelector(".undo").addEventListener("click", undo);
lab.addEventListener("keydown", event => {
  if (event.key.toLowerCase() !== "z" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  undo();
});
lab.querySelector(".clear").addEventListener("click", clear);
lab.querySelectorAll(".examples button").forEach((button, number) => {
  button.addEventListener("click", () => replace(examples[number].x.data));
});
replace(recallInk("drawing") ?? examples[3].x.data); // a digit is there before the reader draws

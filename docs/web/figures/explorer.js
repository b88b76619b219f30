// The reader's hand on the figure that window.mjs draws: a slider for each setting, and the window
// moved by sliders, by the arrow keys, or by a click on the output.

import { draw, explore, FIRST, RANGES } from "./window.mjs";

const NAMES = {
  input: "Input side",
  kernel: "Kernel side",
  stride: "Stride",
  padding: "Padding",
  dilation: "Dilation",
  row: "Window: row",
  column: "Window: column",
};
const KEYS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

function enliven(figure) {
  const settings = { ...FIRST };
  const place = { row: 0, column: 0 };
  const parts = Object.fromEntries(
    ["input", "output", "words"].map(name => [name, figure.querySelector(`.${name}`)]),
  );
  parts.facts = figure.querySelector("dl");
  parts.words.setAttribute("role", "status");

  const controls = document.createElement("div");
  controls.className = "explorer-controls";
  for (const [name, words] of Object.entries(NAMES)) {
    const [least, most] = RANGES[name] ?? [0, 0];
    controls.innerHTML += `<label>${words} <output></output>
      <input type="range" name="${name}" min="${least}" max="${most}"></label>`;
  }
  figure.prepend(controls);
  const sliders = [...controls.querySelectorAll("input")];

  function show() {
    const most = (explore(settings).output ?? 1) - 1;
    for (const name in place) {
      place[name] = Math.max(0, Math.min(most, place[name]));
      controls.querySelector(`[name=${name}]`).max = most;
    }
    for (const slider of sliders) {
      slider.value = { ...settings, ...place }[slider.name];
      slider.previousElementSibling.textContent = slider.value;
    }
    const drawn = draw(settings, [place.row, place.column]);
    for (const [name, html] of Object.entries(drawn)) parts[name].innerHTML = html;
  }

  controls.addEventListener("input", ({ target }) => {
    (target.name in settings ? settings : place)[target.name] = Number(target.value);
    show();
  });

  // The output takes the focus by a click and by Tab; then the arrow keys move the window.
  parts.output.tabIndex = 0;
  parts.output.setAttribute("role", "application");
  parts.output.setAttribute("aria-label", "Output: arrow keys move the window");
  parts.output.addEventListener("keydown", event => {
    const [down, right] = KEYS[event.key] ?? [0, 0];
    if (!down && !right) return;
    event.preventDefault();
    place.row += down;
    place.column += right;
    show();
  });
  parts.output.addEventListener("click", event => {
    const picture = parts.output.querySelector("svg");
    if (!picture?.contains(event.target)) return;
    const { left, top, width } = picture.getBoundingClientRect();
    const cell = width / explore(settings).output;
    place.row = Math.floor((event.clientY - top) / cell);
    place.column = Math.floor((event.clientX - left) / cell);
    show();
  });
  show();
}

document.querySelectorAll(".explorer").forEach(enliven);
globalThis.explore = explore; // for the console, and for the test over all settings

// The reader's hand on the figure that window.mjs draws: a slider for each setting, and the window
// moved by sliders, by the arrow keys, or by pointing at the output.

import { clamp, listen } from "./sums.mjs";
import { draw, explore, FIRST, outputs, RANGES } from "./window.mjs";

const NAMES = {
  input: "Input side",
  kernel: "Kernel side",
  stride: "Stride",
  padding: "Padding",
  dilation: "Dilation",
  row: "Window: row",
  column: "Window: column",
};

function enliven(figure) {
  const settings = { ...FIRST };
  const place = { row: 0, column: 0 };
  const { pixels } = figure.dataset;
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
      <input type="range" name="${name}" min="${least}" max="${most}" autocomplete="off"></label>`;
  }
  figure.prepend(controls);
  const sliders = [...controls.querySelectorAll("input")];

  function show() {
    const most = (explore(settings).output ?? 1) - 1;
    for (const name in place) {
      place[name] = clamp(0, place[name], most);
      controls.querySelector(`[name=${name}]`).max = most;
    }
    for (const slider of sliders) {
      slider.value = { ...settings, ...place }[slider.name];
      slider.previousElementSibling.textContent = slider.value;
    }
    const drawn = draw(settings, [place.row, place.column], pixels);
    for (const [name, html] of Object.entries(drawn)) parts[name].innerHTML = html;
  }

  controls.addEventListener("input", ({ target }) => {
    (target.name in settings ? settings : place)[target.name] = Number(target.value);
    show();
  });

  const go = ([row, column]) => {
    Object.assign(place, { row, column });
    show();
  };
  listen(parts.output, {
    label: "Output: arrow keys move the window",
    show: go,
    picture: () => parts.output.querySelector("svg") ?? parts.output,
    at(x, y) {
      const side = explore(settings).output ?? 0;
      const [row, column] = [y, x].map(share => Math.floor(share * side));
      const inside = [row, column].every(at => at >= 0 && at < side);
      const same = row === place.row && column === place.column;
      return inside && !same ? [row, column] : undefined;
    },
    beside: (down, right) => [place.row + down, place.column + right],
  });
  show();
}

document.querySelectorAll(".explorer").forEach(enliven);
Object.assign(globalThis, { explore, outputs }); // for the console, and for tests over settings

// A strip of frames (convdocs/book/stepper.py) becomes one frame at a time, in the reader's hand.
// Without this script, in print, and in a notebook, the strip stays whole.

import { among, clamp, cover, modified } from "./sums.mjs";

const LARGE = 2; // times the size that a frame has on paper, where the column has room

function enliven(strip) {
  const frames = [...strip.children];
  const last = frames.length - 1;
  let now = 0;

  const controls = document.createElement("div");
  controls.className = "stepper-controls";
  controls.innerHTML = `
    <div>
      <button type="button">Previous</button>
      <input type="range" min="1" max="${last + 1}" value="1" aria-label="Step"
        autocomplete="off">
      <button type="button">Next</button>
    </div>
    <p role="status"></p>`;
  const [previous, next] = controls.querySelectorAll("button");
  const slider = controls.querySelector("input");
  const status = controls.querySelector("p");

  function show(step) {
    now = step;
    for (const frame of frames) frame.hidden = frame !== frames[now];
    slider.value = now + 1;
    slider.setAttribute("aria-valuetext", `${now + 1} of ${last + 1}`);
    // Not `disabled`, which would take the focus away from who steps by keyboard.
    previous.setAttribute("aria-disabled", now === 0);
    next.setAttribute("aria-disabled", now === last);
    const words = frames[now].querySelector("p").textContent;
    status.textContent = `Step ${now + 1} of ${last + 1}. ${words}`;
  }

  strip.classList.add("live");
  strip.style.margin = 0;
  const layer = cover(strip);
  layer.stage.style.width = `${LARGE * frames[0].querySelector("svg").width.baseVal.value}px`;
  layer.stage.after(controls);
  const answers = frames.map(frame => {
    const [place, sources] = JSON.parse(frame.dataset.answer);
    return { place, sources };
  });
  const choose = among(layer, answers, "Steps: the arrow keys go to another place", show);
  const go = step => choose(clamp(0, step, last));

  previous.addEventListener("click", () => go(now - 1));
  next.addEventListener("click", () => go(now + 1));
  slider.addEventListener("input", () => go(slider.value - 1));
  controls.addEventListener("keydown", event => {
    const steps = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: last };
    const knowsItsKeys = event.target === slider || modified(event);
    if (!knowsItsKeys && event.key in steps) {
      event.preventDefault();
      go(steps[event.key]);
    }
  });
  go(0);
}

function enlivenAll() {
  document.querySelectorAll("ol.stepper:not(.live)").forEach(enliven);
}

enlivenAll();
// A cell that runs again brings a new strip.
new MutationObserver(enlivenAll).observe(document.body, { childList: true, subtree: true });

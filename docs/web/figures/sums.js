// Figures whose numbers answer (docs/_ext/figures.py): their answers wait in the sentence below.
// Where a phone is given a picture of its own, each answer has the boxes of both.

import { among, cover } from "./sums.mjs";

const HINT = "Point at the figure, or tap it, and see here what a result comes from.";
const LABEL = "Results: the arrow keys go from one to the next; below stands what it comes from";

function enliven(said) {
  said.classList.add("live");
  const picture = said.previousElementSibling;
  const narrow = matchMedia(picture.querySelector("source")?.media ?? "not all");
  const words = document.createElement("span");
  words.textContent = HINT;
  said.append(words);
  const layer = cover(picture);
  const answers = JSON.parse(said.dataset.answers).map(([place, says, sources, ...other]) => {
    const boxes = () => (narrow.matches && other.length ? other : [place, sources]);
    return {
      words: says,
      get place() {
        return boxes()[0];
      },
      get sources() {
        return boxes()[1];
      },
    };
  });
  // Turned on its side, a phone may show the other of two pictures.
  narrow.addEventListener("change", () => ["source", "here"].map(kind => layer.mark(kind, [])));
  among(layer, answers, LABEL, n => {
    words.textContent = answers[n].words;
  });
}

function enlivenAll() {
  document.querySelectorAll(".sum:not(.live)").forEach(enliven);
}

enlivenAll();
// A cell that runs again brings a new figure.
new MutationObserver(enlivenAll).observe(document.body, { childList: true, subtree: true });

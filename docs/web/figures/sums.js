// Figures whose numbers answer (docs/_ext/figures.py): their answers wait in the sentence below.

import { among, cover } from "./sums.mjs";

const HINT = "Point at a result, or tap it, and see here what it comes from.";
const LABEL = "Results: the arrow keys go from one to the next; below stands what it comes from";

function enliven(said) {
  said.classList.add("live");
  const answers = JSON.parse(said.dataset.answers).map(([place, words, sources]) => ({
    place,
    words,
    sources,
  }));
  const words = document.createElement("span");
  words.textContent = HINT;
  said.append(words);
  among(cover(said.previousElementSibling), answers, LABEL, n => {
    words.textContent = answers[n].words;
  });
}

function enlivenAll() {
  document.querySelectorAll(".sum:not(.live)").forEach(enliven);
}

enlivenAll();
// A cell that runs again brings a new figure.
new MutationObserver(enlivenAll).observe(document.body, { childList: true, subtree: true });

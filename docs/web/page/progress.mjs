// How far a reader has come: which exercises are solved, and where to go on.
import { forget, HERE, keep, ROOT, recall } from "./kept.mjs";

// A check has said that an answer is right.
addEventListener("solved", ({ detail }) => {
  const solved = recall("solved");
  keep("solved", { ...solved, [HERE]: [...new Set([...(solved[HERE] ?? []), detail])] });
  showSolved();
});

function showSolved() {
  const solved = recall("solved");
  for (const name of solved[HERE] ?? []) document.getElementById(name)?.classList.add("solved");
  for (const link of document.querySelectorAll(".sidebar-tree a.reference")) {
    const count = solved[link.href.split("#")[0].slice(ROOT.href.length)]?.length;
    if (!count) continue;
    link.dataset.solved = `✓ ${count}`;
    link.title = `${count} ${count === 1 ? "exercise" : "exercises"} solved`;
  }
}

// Where the reader was: the section in the middle of the window, of a chapter. Where something else
// is there, such as the foot of the page, it is the last section that has begun above.
function remember() {
  const { left, width } = document.querySelector("article").getBoundingClientRect();
  const middle = document.elementFromPoint(left + width / 2, innerHeight / 2);
  const all = [...document.querySelectorAll("article section[id]")];
  const above = each =>
    each.checkVisibility() && each.getBoundingClientRect().top <= innerHeight / 2;
  const section = middle?.closest("article section[id]") ?? all.findLast(above) ?? all[0];
  const words = [...(document.querySelector("h1")?.childNodes ?? [])];
  const title = words.find(each => each.nodeType === Node.TEXT_NODE)?.textContent;
  keep("last", { page: HERE, section: section.id, title });
}

function offerToContinue() {
  const { page, section, title } = recall("last");
  const actions = document.querySelector(".actions p");
  if (!page || !actions) return;
  const link = document.createElement("a");
  link.className = "continue reference internal";
  link.href = new URL(`${page}#${section}`, ROOT).href;
  link.textContent = `Continue: ${title}`;
  actions.prepend(link);
}

// On the page that says what is kept: how much it is, and a button that ends it.
function showKept() {
  const box = document.querySelector(".kept");
  if (!box) return;
  const words = document.createElement("p");
  const button = document.createElement("button");
  const tell = () => {
    const solved = Object.values(recall("solved")).flat().length;
    const edited = Object.keys(recall("edits")).length;
    const drawn = ["drawing", "picture"].filter(name => recall(name).ink).length;
    words.textContent =
      `Exercises solved: ${solved}. Pages with cells that you have changed: ${edited}. ` +
      `Drawings and pictures: ${drawn}.`;
  };
  Object.assign(button, { type: "button", textContent: "Forget all of it" });
  button.addEventListener("click", () => {
    forget();
    tell();
  });
  tell();
  box.append(words, button);
}

addEventListener("DOMContentLoaded", () => {
  showSolved();
  offerToContinue();
  showKept();
  if (document.querySelector("article > section > .minutes")) {
    addEventListener("scrollend", remember);
    addEventListener("load", () => requestAnimationFrame(remember)); // where the address leads
  }
});

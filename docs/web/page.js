// What every page needs beside its text.

// A box that scrolls can be scrolled by keyboard only if it can have the focus.
const BOXES = ".highlight pre, .table-wrapper, div.math, .math-wrapper, .output";

function letBoxesFocus() {
  for (const box of document.querySelectorAll(BOXES)) {
    const scrolls =
      /auto|scroll/.test(getComputedStyle(box).overflowX) && box.scrollWidth > box.clientWidth;
    if (scrolls && !box.hasAttribute("tabindex")) box.tabIndex = 0;
  }
}

addEventListener("load", letBoxesFocus);
addEventListener("resize", letBoxesFocus);

// Pictures far below are not loaded yet, and a printed page must show them.
addEventListener("beforeprint", () => {
  for (const picture of document.images) picture.loading = "eager";
});

// A fold opens for whoever is led into it, and on paper all are open.
function openFolds(from) {
  for (let fold = from?.closest("details"); fold; fold = fold.parentElement.closest("details"))
    fold.open = true;
}

function openAddressed() {
  const addressed = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  openFolds(addressed);
  addressed?.querySelector(":scope > details.depth")?.setAttribute("open", "");
  addressed?.scrollIntoView();
}

addEventListener("hashchange", openAddressed);
if (location.hash) addEventListener("load", openAddressed);
addEventListener("beforeprint", () => {
  for (const fold of document.querySelectorAll("details.depth, details.aside")) fold.open = true;
});

// The sidebar shows the page that is open, however long the list above it is.
addEventListener("load", () => {
  const tree = document.querySelector(".sidebar-scroll");
  const current = tree?.querySelector(".current-page");
  if (!current) return;
  const below = current.getBoundingClientRect().bottom - tree.getBoundingClientRect().bottom;
  if (below > 0) tree.scrollTop += below + tree.clientHeight / 3;
});

// What a reader has done is kept in this browser alone, by the place where the book stands.
const ROOT = new URL(document.documentElement.dataset.content_root ?? "./", location.href);
const HERE = location.href.split(/[?#]/)[0].slice(ROOT.href.length) || "index.html";
const KEPT = `book ${ROOT.pathname}`;

function kept() {
  try {
    return { solved: {}, ...JSON.parse(localStorage.getItem(KEPT)) };
  } catch {
    return { solved: {} };
  }
}

function keepAll(all) {
  try {
    localStorage.setItem(KEPT, JSON.stringify(all));
  } catch {} // a browser that keeps nothing
}

// A check has said that an answer is right.
addEventListener("solved", ({ detail }) => {
  const all = kept();
  all.solved[HERE] = [...new Set([...(all.solved[HERE] ?? []), detail])];
  keepAll(all);
  showSolved();
});

function showSolved() {
  const { solved } = kept();
  for (const name of solved[HERE] ?? []) document.getElementById(name)?.classList.add("solved");
  for (const link of document.querySelectorAll(".sidebar-tree a.reference")) {
    const count = solved[link.href.split("#")[0].slice(ROOT.href.length)]?.length;
    if (!count) continue;
    const words = `${count} ${count === 1 ? "exercise" : "exercises"} solved`;
    link.dataset.solved = `✓ ${count}`;
    link.title = words;
  }
}

// Where the reader was: the last heading above the middle of the window, of a chapter.
function remember() {
  const headings = [...document.querySelectorAll("article :is(h1, h2)")];
  const above = headings.filter(each => each.getBoundingClientRect().top < innerHeight / 2);
  const section = above.at(-1)?.closest("section");
  const words = [...(document.querySelector("h1")?.childNodes ?? [])];
  const title = words.find(each => each.nodeType === Node.TEXT_NODE)?.textContent;
  const all = kept();
  keepAll({ ...all, last: { page: HERE, section: section?.id, title } });
}

function offerToContinue() {
  const { last } = kept();
  const actions = document.querySelector(".actions p");
  if (!last || !actions) return;
  const link = document.createElement("a");
  link.className = "continue reference internal";
  link.href = new URL(`${last.page}#${last.section}`, ROOT).href;
  link.textContent = `Continue: ${last.title}`;
  actions.prepend(link);
}

// On the page that says what is kept: how much it is, and a button that ends it.
function showKept() {
  const box = document.querySelector(".kept");
  if (!box) return;
  const mine = () =>
    Object.keys(localStorage).filter(
      key => key === KEPT || key.startsWith(`edits ${ROOT.pathname}`),
    );
  const words = document.createElement("p");
  const forget = document.createElement("button");
  const tell = () => {
    const solved = Object.values(kept().solved).flat().length;
    const edits = mine().filter(key => key !== KEPT);
    words.textContent = `Now it keeps ${solved} solved exercises and changed cells of ${edits.length} pages.`;
    forget.disabled = !mine().length;
  };
  Object.assign(forget, { type: "button", textContent: "Forget all of it" });
  forget.addEventListener("click", () => {
    for (const key of mine()) localStorage.removeItem(key);
    tell();
  });
  tell();
  box.append(words, forget);
}

addEventListener("DOMContentLoaded", () => {
  showSolved();
  offerToContinue();
  showKept();
  if (document.querySelector("article .minutes") && !document.querySelector(".cards")) {
    addEventListener("scrollend", remember);
    addEventListener("load", () => requestAnimationFrame(remember)); // where the address leads
  }
});

// A figure can be seen as large as its labels need, on a phone most of all.
function enlarge(image) {
  const dialog = document.createElement("dialog");
  const close = document.createElement("button");
  const large = image.cloneNode();
  dialog.className = "enlarged";
  dialog.ariaLabel = "The figure, enlarged";
  Object.assign(close, { type: "button", textContent: "Close" });
  for (const name of ["width", "height", "loading"]) large.removeAttribute(name);
  dialog.append(close, large);
  document.body.append(dialog);
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  dialog.showModal();
}

addEventListener("DOMContentLoaded", () => {
  for (const caption of document.querySelectorAll("article figure > figcaption")) {
    const images = caption.parentElement.querySelectorAll("img");
    if (images.length !== 1) continue;
    const open = document.createElement("button");
    const number = caption.querySelector(".caption-number")?.textContent.trim() ?? "the figure";
    Object.assign(open, { type: "button", className: "enlarge", textContent: "Enlarge" });
    open.setAttribute("aria-label", `Enlarge ${number}`);
    caption.append(open);
  }
});
// Asked of the page, since a cell that runs puts a copy in the figure's place.
document.addEventListener("click", event => {
  const figure = event.target.closest(".enlarge")?.closest("figure");
  if (figure) enlarge(figure.querySelector("img"));
});

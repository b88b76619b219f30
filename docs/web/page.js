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

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

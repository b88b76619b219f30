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

// A box that scrolls can be scrolled by keyboard only if it can have the focus. Which boxes do is
// asked when the focus is about to move, since the answer costs the layout of all the page.
const BOXES = ".highlight pre, .table-wrapper, div.math, .math-wrapper, .output";

function scrolls(box) {
  const style = getComputedStyle(box);
  return /auto|scroll/.test(style.overflowX) && box.scrollWidth > box.clientWidth;
}

addEventListener("keydown", ({ key }) => {
  if (key !== "Tab") return;
  const boxes = [...document.querySelectorAll(BOXES)].filter(scrolls);
  for (const box of boxes) if (!box.hasAttribute("tabindex")) box.tabIndex = 0;
});

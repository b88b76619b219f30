// The contents of a page show where the reader is: in which sections a line near the top of the
// window lies. An observer says so. The theme's own way measures all headings at once, for which the
// browser has to lay out the whole page before it can answer anything else.
import { named } from "./named.mjs";

const NEAR_TOP = "-7% 0px -93% 0px";

addEventListener("DOMContentLoaded", () => {
  const items = new Map();
  for (const link of document.querySelectorAll(".toc-tree a[href^='#']")) {
    const section = named(link.hash);
    if (section) items.set(section, link.parentElement);
  }
  const observer = new IntersectionObserver(
    changes => {
      for (const { target, isIntersecting } of changes)
        items.get(target).classList.toggle("scroll-current", isIntersecting);
    },
    { rootMargin: NEAR_TOP },
  );
  for (const section of items.keys()) observer.observe(section);
});

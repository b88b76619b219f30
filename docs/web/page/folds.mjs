// A fold opens for whoever is led into it, and on paper all are open.
import { named } from "./named.mjs";

const CLOSED = "details:not([open]), .toggle-hidden"; // solutions have buttons of their own

function openAddressed(show = true) {
  const addressed = named(location.hash);
  const closed = addressed?.closest(CLOSED);
  for (let fold = closed; fold; fold = fold.parentElement.closest(CLOSED)) {
    if (fold.matches("details")) fold.open = true;
    else fold.querySelector(".toggle-button")?.click();
  }
  addressed?.querySelector(":scope > details.depth")?.setAttribute("open", "");
  if (closed && show) addressed.scrollIntoView();
}

addEventListener("hashchange", () => openAddressed());
addEventListener("click", event => {
  const link = event.target.closest?.("a[href^='#']");
  if (link?.hash && link.hash === location.hash) openAddressed(); // again: no change is told
});
openAddressed();
// Whoever comes back is taken by the browser to the place that was left, once the folds are open.
const comes = performance.getEntriesByType("navigation")[0]?.type === "navigate";
addEventListener("load", () => {
  openAddressed(comes); // once solutions are closed
  if (comes) named(location.hash)?.scrollIntoView();
});
const opened = []; // for paper, and not by the reader
addEventListener("beforeprint", () => {
  opened.push(...document.querySelectorAll("details:is(.depth, .aside):not([open])"));
  for (const fold of opened) fold.open = true;
});
addEventListener("afterprint", () => {
  for (const fold of opened.splice(0)) fold.open = false;
});

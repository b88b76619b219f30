// A fold opens for whoever is led into it, and on paper all are open.
import { named } from "./named.mjs";

function openAddressed() {
  const addressed = named(location.hash);
  const closed = addressed?.closest("details:not([open])");
  for (let fold = closed; fold; fold = fold.closest("details:not([open])")) fold.open = true;
  addressed?.querySelector(":scope > details.depth")?.setAttribute("open", "");
  if (closed) addressed.scrollIntoView();
}

addEventListener("hashchange", openAddressed);
openAddressed();
// Whoever comes back is taken by the browser to the place that was left, once the folds are open.
if (performance.getEntriesByType("navigation")[0]?.type === "navigate")
  addEventListener("load", () => named(location.hash)?.scrollIntoView());
const opened = []; // for paper, and not by the reader
addEventListener("beforeprint", () => {
  opened.push(...document.querySelectorAll("details:is(.depth, .aside):not([open])"));
  for (const fold of opened) fold.open = true;
});
addEventListener("afterprint", () => {
  for (const fold of opened.splice(0)) fold.open = false;
});

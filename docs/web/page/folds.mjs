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
addEventListener("beforeprint", () => {
  for (const fold of document.querySelectorAll("details.depth, details.aside")) fold.open = true;
});

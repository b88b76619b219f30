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

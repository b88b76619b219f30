// The sidebar shows the page that is open, however long the list above it is.
addEventListener("load", () => {
  const tree = document.querySelector(".sidebar-scroll");
  const current = tree?.querySelector(".current-page");
  if (!current) return;
  const below = current.getBoundingClientRect().bottom - tree.getBoundingClientRect().bottom;
  if (below > 0) tree.scrollTop += below + tree.clientHeight / 3;
});

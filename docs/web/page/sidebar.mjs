// The sidebar shows the page that is open, however long the list above it is.
addEventListener("load", () => {
  const tree = document.querySelector(".sidebar-scroll");
  const current = tree?.querySelector(".current-page");
  if (!current) return;
  const below = current.getBoundingClientRect().bottom - tree.getBoundingClientRect().bottom;
  const top = tree.scrollTop + below + tree.clientHeight / 3;
  if (below > 0) tree.scrollTo({ top, behavior: "instant" }); // else the theme moves it for a second
});

// The sidebar shows the page that is open, however long the list above it is.
addEventListener("load", () => {
  const tree = document.querySelector(".sidebar-scroll");
  const current = tree?.querySelector(".current-page");
  if (!current) return;
  const below = current.getBoundingClientRect().bottom - tree.getBoundingClientRect().bottom;
  const top = tree.scrollTop + below + tree.clientHeight / 3;
  if (below > 0) tree.scrollTo({ top, behavior: "instant" }); // else the theme moves it for a second
});

// On narrow windows it is a drawer, like the contents of the page. The theme opens them by labels,
// which no key reaches.
for (const label of document.querySelectorAll("label:is(.nav-overlay-icon, .toc-overlay-icon)")) {
  const toggle = document.getElementById(label.htmlFor);
  const button = Object.assign(document.createElement("button"), {
    type: "button",
    ariaLabel: toggle.ariaLabel,
  });
  button.append(...label.childNodes);
  button.addEventListener("click", () => toggle.click());
  label.append(button);
}
addEventListener("keydown", event => {
  if (event.key !== "Escape") return;
  for (const toggle of document.querySelectorAll(".sidebar-toggle:checked")) toggle.click();
});

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
const DRAWERS = { __navigation: ".sidebar-drawer", __toc: ".toc-drawer" };
const shut = drawer => document.querySelector(`#${drawer}:checked`)?.click();
for (const label of document.querySelectorAll("label:is(.nav-overlay-icon, .toc-overlay-icon)")) {
  const toggle = document.getElementById(label.htmlFor);
  const drawer = document.querySelector(DRAWERS[toggle.id]);
  const button = Object.assign(document.createElement("button"), {
    type: "button",
    ariaLabel: toggle.ariaLabel,
    ariaExpanded: "false",
  });
  button.append(...label.childNodes);
  button.addEventListener("click", () => {
    toggle.click();
    const links = [...drawer.querySelectorAll("a")];
    if (toggle.checked) links.find(link => link.checkVisibility()).focus();
  });
  toggle.addEventListener("change", () => {
    button.ariaExpanded = String(toggle.checked);
    const left = !toggle.checked && drawer.contains(document.activeElement);
    if (left && button.checkVisibility()) button.focus();
  });
  label.append(button);
}
addEventListener("keydown", event => {
  if (event.key === "Escape") Object.keys(DRAWERS).forEach(shut);
});
document.querySelector(DRAWERS.__toc)?.addEventListener("click", event => {
  if (event.target.closest("a")) shut("__toc"); // it would lie over what the link leads to
});
addEventListener("pageshow", () => Object.keys(DRAWERS).forEach(shut)); // a browser keeps it open

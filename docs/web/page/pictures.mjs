// Pictures far below are not loaded yet, and a printed page must show them.
addEventListener("beforeprint", () => {
  for (const picture of document.images) picture.loading = "eager";
});

// A figure can be seen as large as its labels need, on a phone most of all.
function enlarge(image) {
  const dialog = document.createElement("dialog");
  const close = document.createElement("button");
  const large = image.cloneNode();
  dialog.className = "enlarged";
  dialog.ariaLabel = "The figure, enlarged";
  Object.assign(close, { type: "button", textContent: "Close" });
  for (const name of ["width", "height", "loading"]) large.removeAttribute(name);
  dialog.append(close, large);
  document.body.append(dialog);
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  dialog.showModal();
}

addEventListener("DOMContentLoaded", () => {
  for (const caption of document.querySelectorAll("article figure > figcaption")) {
    const images = caption.parentElement.querySelectorAll("img");
    if (images.length !== 1) continue;
    const open = document.createElement("button");
    const number = caption.querySelector(".caption-number")?.textContent.trim() ?? "the figure";
    Object.assign(open, { type: "button", className: "enlarge", textContent: "Enlarge" });
    open.setAttribute("aria-label", `Enlarge ${number}`);
    caption.append(open);
  }
});
// Asked of the page, since a cell that runs puts a copy in the figure's place.
document.addEventListener("click", event => {
  const figure = event.target.closest(".enlarge")?.closest("figure");
  if (figure) enlarge(figure.querySelector("img"));
});

// The later sections of a page are laid out a piece a frame, so that the browser answers while a long
// page comes. Their veil (book.css) is put on by the head of the page, before anything is seen.
const PIECE = 200; // elements

const blocks = [
  ...document.querySelectorAll(".veiled article section ~ section:not(#exercises) > :not(section)"),
];

function unveil(most) {
  for (let elements = 0; blocks.length && elements < most; ) {
    const block = blocks.shift();
    elements += block.getElementsByTagName("*").length;
    block.style.contentVisibility = "visible";
  }
  if (blocks.length) requestAnimationFrame(() => unveil(PIECE));
}

addEventListener("load", () => unveil(PIECE));
// Before a link within the page is followed, all has its place.
addEventListener("click", () => unveil(Infinity), { capture: true });

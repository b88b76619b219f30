// What a reference leads to (a figure, a formula, a term, a source, an exercise) is shown beside it
// while a mouse rests on it or the keyboard is there, so that the reader keeps the place.
import { named } from "./named.mjs";

const LINKS = ["#fig-", "#equation-", "#term-", "#ex-", "bibliography.html#id"]
  .map(part => `article a.internal[href*="${part}"]`)
  .join();
const WHAT = "figure, div.math, dt, .citation, .exercise";
const LEFT_OUT =
  ".headerlink, button, input, output, script, .cell, .effort, .admonition .admonition, " +
  ".explorer-controls, .stepper-controls, .sum";
const DELAY = 300; // milliseconds, before it comes and before it goes

const here = location.href.split("#")[0];
const pages = new Map([[here, document]]);
const preview = document.createElement("div");
let wanted = null; // the link whose preview is seen, or will be
let timer;

// Another page is fetched once. What opens a page as a file lets it read no other.
async function pageAt(address) {
  if (!pages.has(address)) {
    const text = await (await fetch(address)).text();
    pages.set(address, new DOMParser().parseFromString(text, "text/html"));
  }
  return pages.get(address);
}

async function target(link) {
  const [address] = link.href.split("#");
  if (address !== here && location.protocol === "file:") return null;
  const page = await pageAt(address).catch(() => null);
  const element = page && named(link.hash, page);
  return element?.matches(WHAT) ? element : null;
}

function inView(element) {
  const { top, bottom } = element.getBoundingClientRect();
  return element.ownerDocument === document && top >= 0 && bottom <= innerHeight;
}

// Out of its list, an item is none.
function parts(element) {
  const name = document.createElement("strong");
  if (!element.matches("dt")) return [element.cloneNode(true)];
  let said = element;
  while (!said.matches("dd")) said = said.nextElementSibling;
  name.append(...element.cloneNode(true).childNodes);
  return [name, ...said.cloneNode(true).childNodes];
}

function copied(element, address) {
  const copy = document.createElement("div");
  copy.append(...parts(element));
  for (const each of copy.querySelectorAll(LEFT_OUT)) each.remove();
  for (const each of copy.querySelectorAll("a")) each.replaceWith(...each.childNodes);
  for (const name of ["id", "tabindex"])
    for (const each of copy.querySelectorAll(`[${name}]`)) each.removeAttribute(name);
  copy.querySelector("[role=listitem]")?.removeAttribute("role");
  for (const each of copy.querySelectorAll("img")) {
    each.src = new URL(each.getAttribute("src"), address).href;
    each.loading = "eager";
  }
  // A page without formulas has no style for them, but every browser sets MathML.
  if (!document.querySelector("article .katex"))
    for (const each of copy.querySelectorAll(".katex-html")) each.remove();
  return copy;
}

async function show(link) {
  const element = await target(link);
  if (wanted !== link || !element || inView(element)) return;
  preview.replaceChildren(copied(element, link.href));
  link.removeAttribute("title"); // the browser's own preview
  link.setAttribute("aria-describedby", preview.id);
  preview.showPopover();
  place(link.getClientRects()[0]);
}

function place({ left, top, bottom }) {
  const { offsetWidth: width, offsetHeight: height } = preview;
  const above = bottom + height + 16 > innerHeight && top > height + 16;
  const most = document.documentElement.clientWidth - width - 8;
  preview.style.left = `${scrollX + Math.max(8, Math.min(left, most))}px`;
  preview.style.top = `${scrollY + (above ? top - height - 8 : bottom + 8)}px`;
}

function hide() {
  clearTimeout(timer);
  wanted?.removeAttribute("aria-describedby");
  wanted = null;
  preview.hidePopover();
}

function want(link) {
  clearTimeout(timer);
  if (link === wanted) return;
  timer = setTimeout(() => {
    hide();
    wanted = link;
    show(link);
  }, DELAY);
}

function leave() {
  clearTimeout(timer);
  if (!wanted?.matches(":focus-visible")) timer = setTimeout(hide, DELAY);
}

addEventListener("DOMContentLoaded", () => {
  if (!preview.showPopover || !document.querySelector(LINKS)) return;
  Object.assign(preview, {
    id: "preview",
    className: "preview",
    popover: "manual",
    role: "tooltip",
  });
  document.querySelector("article").append(preview);
  document.addEventListener("pointerover", ({ target, pointerType }) => {
    if (pointerType !== "mouse") return; // a finger follows the link
    const link = target.closest(LINKS);
    if (link) want(link);
    else if (preview.contains(target)) clearTimeout(timer);
    else leave();
  });
  document.addEventListener("focusin", ({ target }) => {
    if (target.matches(LINKS) && target.matches(":focus-visible")) want(target);
    else hide();
  });
  document.addEventListener("focusout", hide);
  document.addEventListener("click", hide);
  document.addEventListener("keydown", ({ key }) => key === "Escape" && hide());
});

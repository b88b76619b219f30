// What this browser keeps of a reader, under the place where the book stands. Nothing leaves it.

export const ROOT = new URL(document.documentElement.dataset.content_root ?? "./", location.href);
export const HERE = location.href.split(/[?#]/)[0].slice(ROOT.href.length) || "index.html";
const BOOK = `book ${ROOT.pathname} `;

// A browser may keep nothing, or refuse to be asked.
function tried(what, otherwise) {
  try {
    return what() ?? otherwise;
  } catch {
    return otherwise;
  }
}

export const recall = name => tried(() => JSON.parse(localStorage.getItem(BOOK + name)), {});

// Returns whether it is kept.
export const keep = (name, value) =>
  tried(() => localStorage.setItem(BOOK + name, JSON.stringify(value)) ?? true, false);

export function forget() {
  const mine = tried(() => Object.keys(localStorage), []).filter(key => key.startsWith(BOOK));
  for (const key of mine) localStorage.removeItem(key);
}

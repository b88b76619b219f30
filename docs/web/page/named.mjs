// What the end of an address names on a page, if anything: a reader may have typed it.
export function named(hash, page = document) {
  try {
    return page.getElementById(decodeURIComponent(hash.slice(1)));
  } catch {
    return null; // a percent sign and no number
  }
}

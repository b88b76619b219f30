// Point at a number, see its sum. A picture gets a cover, on which boxes are outlined, and which
// listens to pointer, finger and arrow keys. A box is [left, top, width, height] in shares of the
// picture. The numbers are the page's: of a figure that the build drew, or of a script.

const KEYS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
export const modified = event => event.altKey || event.ctrlKey || event.metaKey; // the browser's
export const arrow = event => (modified(event) ? undefined : KEYS[event.key]);
const FINGER = 12; // pixels beside a place that still mean it

// As the package writes a number: four digits at most, and a minus sign.
export const written = number => String(Number(number.toPrecision(4)) + 0).replace("-", "−");
export const clamp = (low, value, high) => Math.max(low, Math.min(value, high));
export const added = terms => terms.join(" + ").replaceAll("+ −", "− ");

// Lay a cover over a picture; `mark` outlines boxes, each kind of them in a colour.
export function cover(picture) {
  const [stage, element] = [1, 2].map(() => document.createElement("div"));
  stage.className = "stage";
  element.className = "cover";
  picture.replaceWith(stage);
  stage.append(picture, element);
  // Outlines are moved, not made anew, so that they glide where motion is welcome.
  function mark(kind, boxes) {
    const marks = [...element.getElementsByClassName(kind)];
    while (marks.length < boxes.length) {
      const mark = document.createElement("i");
      mark.className = kind;
      element.append(mark);
      marks.push(mark);
    }
    for (const [n, mark] of marks.entries()) {
      if (n >= boxes.length) mark.remove();
      const [left, top, width, height] = (boxes[n] ?? []).map(share => `${100 * share}%`);
      Object.assign(mark.style, { left, top, width, height });
    }
  }
  return { stage, element, mark };
}

// Let an element be asked: `at` and `beside` find a place, by a point or by a step from the last
// place, and `show` shows it.
export function listen(element, { label, at, beside, show, picture = () => element }) {
  element.tabIndex = 0;
  element.setAttribute("role", "application");
  element.setAttribute("aria-label", label);
  const go = place => place !== undefined && show(place);
  const point = ({ clientX, clientY }) => {
    const { left, top, width, height } = picture().getBoundingClientRect();
    go(at((clientX - left) / width, (clientY - top) / height, width, height));
  };
  element.addEventListener("pointermove", event => event.pointerType !== "touch" && point(event));
  element.addEventListener("click", point);
  element.addEventListener("focus", () => element.matches(":focus-visible") && go(beside(0, 0)));
  element.addEventListener("keydown", event => {
    const steps = arrow(event);
    if (!steps) return;
    event.preventDefault();
    go(beside(...steps));
  });
}

// Places that lie anywhere on one picture, each with its words and the boxes that it comes from.
export function among(layer, answers, label, shown) {
  let now = -1;
  function middle(n) {
    const [left, top, width, height] = answers[n].place;
    return [left + width / 2, top + height / 2];
  }
  function nearest(far) {
    const all = answers.map((_, n) => far(n));
    const least = Math.min(...all);
    return least < Infinity ? all.indexOf(least) : undefined;
  }
  function show(n) {
    if (n === now) return;
    now = n;
    layer.mark("source", answers[n].sources);
    layer.mark("here", [answers[n].place]);
    shown(n);
  }
  listen(layer.element, {
    label,
    show,
    at: (x, y, width, height) =>
      nearest(n => {
        const [left, top, wide, high] = answers[n].place;
        const across = width * Math.max(left - x, 0, x - left - wide);
        const down = height * Math.max(top - y, 0, y - top - high);
        return Math.hypot(across, down) <= FINGER ? Math.hypot(across, down) : Infinity;
      }),
    beside(down, right) {
      if (now < 0 || !(down || right)) return Math.max(now, 0);
      const [x, y] = middle(now);
      const { width, height } = layer.element.getBoundingClientRect();
      return nearest(n => {
        const [there, below] = middle(n);
        const across = width * (there - x);
        const along = height * (below - y);
        const ahead = right * across + down * along;
        const aside = Math.abs(right ? along : across);
        return ahead > 1 ? ahead + 3 * aside : Infinity;
      });
    },
  });
  return show;
}

// What a square window does on a square picture: in numbers, in words, and drawn. There is no
// page here, since the build draws the first picture by the same functions. Tests compare the
// numbers with the package's for every setting, and the colours with those of its figures.

import { added, written } from "./sums.mjs";

export const RANGES = {
  input: [1, 16],
  kernel: [1, 7],
  stride: [1, 5],
  padding: [0, 5],
  dilation: [1, 4],
};
export const FIRST = { input: 8, kernel: 3, stride: 2, padding: 0, dilation: 1 };

const count = n => [...Array(n).keys()];
const minus = text => String(text).replaceAll("-", "−");

export function explore({ input, kernel, stride, padding, dilation }) {
  const padded = input + 2 * padding;
  const span = dilation * (kernel - 1) + 1;
  const parameters = kernel ** 2 + 1;
  if (span > padded) {
    const legal = { input: [span - 2 * padding, "at least"] };
    legal.padding = [Math.ceil((span - input) / 2), "at least"];
    legal.kernel = [Math.floor((padded - 1) / dilation) + 1, "at most"];
    legal.dilation = [Math.floor((padded - 1) / (kernel - 1)), "at most"];
    const remedies = Object.entries(legal).filter(
      ([name, [value]]) => value >= RANGES[name][0] && value <= RANGES[name][1],
    );
    return {
      padded,
      span,
      parameters,
      remedies,
      error:
        `weight must fit into x, got a span of ${span} x ${span} (with dilation) ` +
        `in images of ${padded} x ${padded} (with padding)`,
    };
  }
  const output = Math.floor((padded - span) / stride) + 1;
  // The rows that each output row sees, and columns alike; below 0 and from `input` on, padding.
  const windows = count(output).map(i =>
    count(kernel).map(u => i * stride + u * dilation - padding),
  );
  const touched = new Set(windows.flat());
  const seen = count(input).filter(row => touched.has(row));
  return {
    padded,
    span,
    parameters,
    output,
    windows,
    seen,
    unseen: input ** 2 - seen.length ** 2,
    macs: output ** 2 * kernel ** 2,
  };
}

// The picture is the middle of one of SIDE x SIDE pixels, each a digit of a text; outside there are
// zeros. The kernel takes the left from the right; of a single weight, that is 1.
const SIDE = RANGES.input[1];
const pixel = (pixels, input, row, column) => {
  const inside = [row, column].every(at => at >= 0 && at < input);
  const first = Math.floor((SIDE - input) / 2);
  return inside ? Number(pixels[(first + row) * SIDE + first + column]) : 0;
};
const weight = (kernel, v) => (kernel === 1 ? 1 : Math.sign(2 * v - (kernel - 1)));

// The products of one output, row by row, as [weight, pixel].
function products({ input, kernel }, windows, [i, j], pixels) {
  return windows[i].map(row =>
    windows[j].map((column, v) => [weight(kernel, v), pixel(pixels, input, row, column)]),
  );
}
const total = pairs => pairs.flat().reduce((sum, [w, x]) => sum + w * x, 0);

export function outputs(settings, pixels) {
  const { windows, output } = explore(settings);
  const place = (i, j) => total(products(settings, windows, [i, j], pixels));
  return count(output ?? 0).map(i => count(output).map(j => place(i, j)));
}

// A sum as it is read; of a large kernel, the pixels of a column are added first.
function summed(rows) {
  const few = rows.length <= 3;
  const columns = rows[0].map(([w], v) => [w, rows.reduce((sum, row) => sum + row[v][1], 0)]);
  const terms = (few ? rows.flat() : columns).map(pair => pair.map(written).join("·"));
  return `Its sum${few ? "" : ", column by column"}: ${added(terms)} = ${written(total(rows))}.`;
}

const box = (x, y, side = 1) => `M${x} ${y}h${side}v${side}h${-side}z`;
// A cross that leaves the number in the middle free.
const crossed = (x, y) => `M${x + 0.05} ${y + 0.05}l.2 .2m.5 .5l.2 .2m0 -.9l-.2 .2m-.5 .5l-.2 .2`;
const boxes = (rows, columns) => rows.map(y => columns.map(x => box(x, y)).join("")).join("");
const lines = (from, side) =>
  count(side + 1)
    .map(n => `M${from} ${from + n}h${side}M${from + n} ${from}v${side}`)
    .join("");

// A picture has cells of at most so many pixels, and all of them together as many as this.
const LARGEST = 40;
const WHOLE = 320;
const cell = side => Math.min(LARGEST, WHOLE / side);

// The ink is in the picture itself, since not every reader of an e-book brings the style sheet. Nor
// does paper know strokes that do not scale: their widths, in pixels, are made shares of a cell.
const INK = {
  grid: ['fill="none" stroke="currentColor"', 1],
  padding: ['fill="none" stroke="currentColor"', 1, [2, 3]],
  tap: ['fill="#d2691e" fill-opacity=".45"'],
  span: ['fill="none" stroke="#d2691e"', 2.5],
  lost: ['fill="none" stroke="currentColor"', 1.5],
  here: ['fill="#2e9e5b" fill-opacity=".5"'],
};
function path(side, what, d) {
  if (!d) return "";
  const [look, width, dashes] = INK[what];
  const shares = pixels => [pixels].flat().map(each => (each / cell(side)).toFixed(4));
  const stroke = width ? ` stroke-width="${shares(width)}"` : "";
  const dashed = dashes ? ` stroke-dasharray="${shares(dashes).join(" ")}"` : "";
  return `<path class="${what}" ${look}${stroke}${dashed} d="${d}"/>`;
}

// Numbers in the cells, where these are large enough to read them.
const LEGIBLE = 18;
function digits(side, rows, offset = 0) {
  if (WHOLE / side < LEGIBLE) return "";
  const text = (number, i, j) => {
    const size = Math.min(10, 28 / String(number).length);
    const [x, y] = [20 * (j + offset) + 10, 20 * (i + offset) + 10 + 0.36 * size];
    return `<text x="${x}" y="${y.toFixed(1)}" font-size="${size}">${written(number)}</text>`;
  };
  const all = rows.map((row, i) => row.map((number, j) => text(number, i, j)).join("")).join("");
  return `<g transform="scale(.05)" fill="currentColor" text-anchor="middle">${all}</g>`;
}

function picture(title, side, label, ...paths) {
  const size = side * cell(side);
  return (
    `<p>${title}</p><svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="${label}" ` +
    `viewBox="0 0 ${side} ${side}" width="${size}" height="${size}">${paths.join("")}</svg>`
  );
}

function list(words, last) {
  return words.length < 2
    ? words.join("")
    : `${words.slice(0, -1).join(", ")} ${last} ${words.at(-1)}`;
}

function sees(rows, input, what) {
  const outside = rows.some(row => row < 0 || row >= input);
  const numbers = list(rows.map(minus), "and");
  return `${what}${rows.length > 1 ? "s" : ""} ${numbers}${outside ? " (with padding)" : ""}`;
}

// The parts of the figure, as HTML; [i, j] is the place of the output whose window is shown.
export function draw(settings, [i, j], pixels) {
  const { input, kernel, stride, padding, dilation } = settings;
  const found = explore(settings);
  const { padded, span, output, windows } = found;
  const side = Math.max(padded, span);
  const numbers = count(input).map(row => count(input).map(n => pixel(pixels, input, row, n)));
  const ink = (what, d) => path(side, what, d);
  const grid = ink("padding", padding ? lines(0, padded) : "") + ink("grid", lines(padding, input));
  const inside = digits(side, numbers, padding);
  const size = n => `${n} × ${n}`;
  const title = `Input, ${size(input)}${padding ? `; with padding, ${size(padded)}` : ""}`;
  const weights = `${kernel ** 2} + 1 = ${found.parameters}`;
  const fact = (name, value) => `<div><dt>${name}</dt><dd>${value}</dd></div>`;

  if (found.error) {
    const remedies = found.remedies.map(([name, [value, way]]) => `${name} ${way} ${value}`);
    const taps = count(kernel).map(u => u * dilation);
    const beyond = `a kernel that reaches beyond it, to ${size(span)}`;
    return {
      input: picture(
        title,
        side,
        `A picture of ${size(padded)}, and ${beyond}`,
        grid,
        ink("tap", boxes(taps, taps)),
        ink("span", box(0, 0, span)),
        inside,
      ),
      output: "<p>No output</p>",
      words:
        `This does not fit. The package refuses it: “${found.error}”. ` +
        `One change would do: ${list(remedies, "or")}.`,
      facts: fact("Parameters", weights),
    };
  }

  const [rows, columns] = [windows[i], windows[j]];
  const shift = numbers => numbers.map(n => n + padding);
  const cross = (x, y) =>
    found.seen.includes(x) && found.seen.includes(y) ? "" : crossed(x + padding, y + padding);
  const crosses = count(input).flatMap(y => count(input).map(x => cross(x, y)));
  const where = `${sees(rows, input, "row")} and ${sees(columns, input, "column")}`;
  const lost = found.unseen ? `; ${found.unseen} pixels are crossed out` : "";
  const fraction = `(${input} + 2 · ${padding} − ${dilation} · (${kernel} − 1) − 1) / ${stride}`;
  return {
    input: picture(
      title,
      side,
      `Picture of ${size(input)}; marked: ${where}${lost}`,
      grid,
      ink("tap", boxes(shift(rows), shift(columns))),
      ink("span", box(columns[0] + padding, rows[0] + padding, span)),
      inside,
      ink("lost", crosses.join("")),
    ),
    output: picture(
      `Output, ${size(output)}`,
      output,
      `Output; marked: row ${i}, column ${j}`,
      path(output, "here", box(j, i)),
      path(output, "grid", lines(0, output)),
      digits(output, outputs(settings, pixels)),
    ),
    words:
      `The output at row ${i}, column ${j} sees ${where} of the input. ` +
      summed(products(settings, windows, [i, j], pixels)),
    facts: [
      fact(
        "Side of the output",
        `⌊${fraction}⌋ + 1 = ⌊${padded - span} / ${stride}⌋ + 1 = ${output}`,
      ),
      fact("Windows", `${output} · ${output} = ${output ** 2}`),
      fact("Pixels that no window sees", `${input}² − ${found.seen.length}² = ${found.unseen}`),
      fact("Multiply-accumulates", `${output ** 2} · ${kernel ** 2} = ${found.macs}`),
      fact("Parameters", weights),
    ].join(""),
  };
}

export function html(settings, place, pixels) {
  const { input, output, words, facts } = draw(settings, place, pixels);
  return (
    `<div class="explorer" data-pixels="${pixels}"><div class="pictures"><div class="input">${input}</div>` +
    `<div class="output">${output}</div></div><p class="words">${words}</p>` +
    `<dl>${facts}</dl></div>`
  );
}

// What a square window does on a square picture: in numbers, in words, and drawn. There is no
// page here, since the build draws the first picture by the same functions. Tests compare the
// numbers with the package's for every setting, and the colours with those of its figures.

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

const box = (x, y, side = 1) => `M${x} ${y}h${side}v${side}h${-side}z`;
const boxes = (rows, columns) => rows.map(y => columns.map(x => box(x, y)).join("")).join("");
const lines = (from, side) =>
  count(side + 1)
    .map(n => `M${from} ${from + n}h${side}M${from + n} ${from}v${side}`)
    .join("");

// The ink is in the picture itself, since not every reader of an e-book brings the style sheet.
const INK = {
  grid: 'fill="none" stroke="currentColor"',
  padding: 'fill="none" stroke="currentColor" stroke-dasharray="2 3"',
  tap: 'fill="#d2691e" fill-opacity=".45"',
  span: 'fill="none" stroke="#d2691e" stroke-width="2.5"',
  lost: 'fill="none" stroke="currentColor" stroke-width="1.5"',
  here: 'fill="#2e9e5b" fill-opacity=".5"',
};
const path = (what, d) =>
  d ? `<path class="${what}" ${INK[what]} vector-effect="non-scaling-stroke" d="${d}"/>` : "";

function picture(title, side, label, ...paths) {
  const size = side * Math.min(24, 320 / side);
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
export function draw(settings, [i, j]) {
  const { input, kernel, stride, padding, dilation } = settings;
  const found = explore(settings);
  const { padded, span, output, windows } = found;
  const side = Math.max(padded, span);
  const grid =
    path("padding", padding ? lines(0, padded) : "") + path("grid", lines(padding, input));
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
        path("tap", boxes(taps, taps)),
        path("span", box(0, 0, span)),
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
    found.seen.includes(x) && found.seen.includes(y)
      ? ""
      : `M${x + padding + 0.25} ${y + padding + 0.25}l.5 .5m0 -.5l-.5 .5`;
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
      path("tap", boxes(shift(rows), shift(columns))),
      path("span", box(columns[0] + padding, rows[0] + padding, span)),
      path("lost", crosses.join("")),
    ),
    output: picture(
      `Output, ${size(output)}`,
      output,
      `Output; marked: row ${i}, column ${j}`,
      path("here", box(j, i)),
      path("grid", lines(0, output)),
    ),
    words: `The output at row ${i}, column ${j} sees ${where} of the input.`,
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

export function html(settings, place) {
  const { input, output, words, facts } = draw(settings, place);
  return (
    `<div class="explorer"><div class="pictures"><div class="input">${input}</div>` +
    `<div class="output">${output}</div></div><p class="words">${words}</p>` +
    `<dl>${facts}</dl></div>`
  );
}

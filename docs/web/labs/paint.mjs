// Numbers as a picture, one a pixel. A color is what a number looks like: red, green, blue and how
// much of that is seen, each from 0 to 255.

const FULL = 255;

// From 0, black, to 1, white.
export function grey(value) {
  const part = Math.round(FULL * value);
  return [part, part, part, FULL];
}

// Blue above zero, red below, as in the book's figures (convdocs/book/ink.py); zero is the ground of
// the page, and `most` has the whole color.
export const hue = value => (value < 0 ? [208, 64, 64] : [47, 127, 208]);
export const signed = most => value => [
  ...hue(value),
  Math.round((FULL * Math.abs(value)) / (most || 1)),
];

export const largest = values => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

// On a canvas of as many pixels as there are numbers.
export function paint(canvas, values, color) {
  const picture = new ImageData(canvas.width, canvas.height);
  const { data } = picture;
  let at = 0;
  for (const value of values) [data[at++], data[at++], data[at++], data[at++]] = color(value);
  canvas.getContext("2d").putImageData(picture, 0, 0);
}

// Numbers as a picture, one a pixel. A color is what a number looks like: red, green, blue and how
// much of that is seen, each from 0 to 255.

const FULL = 255;

export const grey = value => [...Array(3).fill(Math.round(FULL * value)), FULL]; // 0 black, 1 white

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
  let at = 0;
  for (const value of values) for (const part of color(value)) picture.data[at++] = part;
  canvas.getContext("2d").putImageData(picture, 0, 0);
}

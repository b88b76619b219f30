// The arithmetic of the book's network, in the letters of the page Notation.
// A volume is {shape: [C, H, W], data}, its numbers row by row; weights are [F, C, kH, kW].

const volume = (C, H, W) => ({ shape: [C, H, W], data: new Float64Array(C * H * W) });

const outputSize = (H, k, stride, padding) => Math.floor((H + 2 * padding - k) / stride) + 1;

// Cross-correlation, which deep learning calls convolution: the kernel is not turned.
// Padding adds nothing to a sum, so the loops over u and v leave out what hangs over the border.
export function conv2d(x, weight, bias, stride = 1, padding = 0) {
  const [C, H, W] = x.shape;
  const [F, , kH, kW] = weight.shape;
  const y = volume(F, outputSize(H, kH, stride, padding), outputSize(W, kW, stride, padding));
  const [, oH, oW] = y.shape;
  for (let f = 0, at = 0; f < F; f++)
    for (let i = 0; i < oH; i++)
      for (let j = 0; j < oW; j++) {
        const top = i * stride - padding;
        const left = j * stride - padding;
        const u0 = Math.max(0, -top);
        const u1 = Math.min(kH, H - top);
        const v0 = Math.max(0, -left);
        const v1 = Math.min(kW, W - left);
        let sum = bias ? bias.data[f] : 0;
        for (let c = 0; c < C; c++)
          for (let u = u0; u < u1; u++) {
            const w = ((f * C + c) * kH + u) * kW;
            const row = (c * H + top + u) * W + left;
            for (let v = v0; v < v1; v++) sum += weight.data[w + v] * x.data[row + v];
          }
        y.data[at++] = sum;
      }
  return y;
}

// What each channel of x adds to one number of map f, whose window begins at this row and column:
// its patch, its kernel, the products of both and their sum. (The bias comes to that.)
export function parts(x, weight, f, top, left) {
  const [C, H, W] = x.shape;
  const [, , kH, kW] = weight.shape;
  return Array.from({ length: C }, (_, c) => {
    const [patch, kernel] = [[], []];
    for (let u = 0; u < kH; u++)
      for (let v = 0; v < kW; v++) {
        patch.push(x.data[(c * H + top + u) * W + left + v]);
        kernel.push(weight.data[((f * C + c) * kH + u) * kW + v]);
      }
    const products = patch.map((value, at) => value * kernel[at]);
    return { patch, kernel, products, sum: products.reduce((a, b) => a + b) };
  });
}

export const relu = x => ({ shape: x.shape, data: x.data.map(value => Math.max(value, 0)) });

export function maxPool2d(x, k, stride = k) {
  const [C, H, W] = x.shape;
  const y = volume(C, outputSize(H, k, stride, 0), outputSize(W, k, stride, 0));
  const [, oH, oW] = y.shape;
  for (let c = 0, at = 0; c < C; c++)
    for (let i = 0; i < oH; i++)
      for (let j = 0; j < oW; j++) {
        let largest = -Infinity;
        for (let u = 0; u < k; u++)
          for (let v = 0; v < k; v++) {
            largest = Math.max(largest, x.data[(c * H + i * stride + u) * W + j * stride + v]);
          }
        y.data[at++] = largest;
      }
  return y;
}

// A fully connected layer: each row of the weights is laid on all of x. A volume is flat already.
export function linear(x, weight, bias) {
  const [F, inputs] = weight.shape;
  const data = new Float64Array(F);
  for (let f = 0; f < F; f++) {
    data[f] = bias.data[f];
    for (let i = 0; i < inputs; i++) data[f] += weight.data[f * inputs + i] * x.data[i];
  }
  return { shape: [F], data };
}

export function softmax(z) {
  const largest = Math.max(...z);
  const powers = Array.from(z, score => Math.exp(score - largest));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map(power => power / sum);
}

// Sizes, strides and paddings are the same both ways.
const LAYERS = {
  Conv2d: (x, layer) => conv2d(x, layer.weight, layer.bias, layer.stride[0], layer.padding[0]),
  ReLU: relu,
  MaxPool2d: (x, layer) => maxPool2d(x, layer.kernel_size[0], layer.stride[0]),
  Flatten: x => ({ shape: [x.data.length], data: x.data }),
  Linear: (x, layer) => linear(x, layer.weight, layer.bias),
};

// The outputs of all layers, in a row.
export function forward(layers, x) {
  const outputs = [];
  for (const layer of layers) outputs.push(LAYERS[layer.kind](outputs.at(-1) ?? x, layer));
  return outputs;
}

// What a cell of the page has computed: JSON, in which an array is its shape and bytes (float32).
export function embedded(id) {
  const array = (_, value) => {
    if (value?.float32 === undefined) return value;
    const letters = atob(value.float32);
    const bytes = new Uint8Array(letters.length); // `from` would ask an iterator for each
    for (let at = 0; at < bytes.length; at++) bytes[at] = letters.charCodeAt(at);
    return { shape: value.shape, data: new Float32Array(bytes.buffer) };
  };
  return JSON.parse(document.getElementById(id).textContent, array);
}

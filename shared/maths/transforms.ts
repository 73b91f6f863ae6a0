// The transforms of an input by their plain definition: what the compiled graph's copies are tested against.
import { assert, assertShape } from '../assert.ts';
import type { Transform, TransformOf } from '../contracts/transform.ts';

/** Planes of one size: the channels of an image, or one row for a signal. */
export interface Planes {
  /** Row-major [planes, height, width], float32. */
  readonly values: Float32Array;
  readonly planes: number;
  readonly height: number;
  readonly width: number;
}

/** Step of Chambolle's iteration; it converges up to 1/4 in practice. */
export const totalVariationStep = 0.248;

/**
 * Transforms an input: the copy that a compiled graph makes of it.
 * @param image [planes, height, width]
 * @param range lowest and highest valid value of the input; the copy is clipped to it
 * @returns [planes, height, width]
 * @throws Error where the values do not have the stated shape
 */
export function transformInput(
  image: Planes,
  transform: Transform,
  range: readonly [number, number],
): Float32Array {
  const { values, planes, height, width } = image;
  assertShape(values, [planes, height, width], 'image');
  const [low, high] = range;
  return transformed(image, transform, range).map((value) => Math.min(high, Math.max(low, value)));
}

function transformed(image: Planes, transform: Transform, range: readonly [number, number]): Float32Array {
  switch (transform.family) {
    case 'shift':
      return shift(image, transform);
    case 'mirror':
      return mirror(image);
    case 'total-variation':
      return totalVariation(image, transform);
    case 'blur':
      return gaussianBlur(image, transform);
    case 'bit-depth':
      return reduceBitDepth(image, transform, range);
    case 'median':
      return medianFilter(image, transform);
  }
}

/**
 * Moves the content `dx` pixels to the right and `dy` down; what comes in at the edge is the edge's own pixel
 * (`replicate`) or 0 (`zeros`).
 */
function shift(image: Planes, { dx, dy, edge }: TransformOf<'shift'>): Float32Array {
  return mapPixels(image, (at, row, column) => {
    const inside = isWithin(image, row - dy, column - dx);
    return edge === 'zeros' && !inside ? 0 : at(row - dy, column - dx);
  });
}

/** Swaps left and right. */
function mirror(image: Planes): Float32Array {
  return mapPixels(image, (at, row, column) => at(row, image.width - 1 - column));
}

/**
 * The minimiser u of TV(u) + |u - x|^2 / (2 weight), after some iterations of Chambolle's dual, plane by plane:
 * `q <- (q + tau grad(div q - x / weight)) / (1 + tau |grad(div q - x / weight)|)` from q = 0, then `x - weight div q`.
 * Gradients are forward differences, 0 at the far edge; the divergence is their negative adjoint.
 * @see Chambolle, "An algorithm for total variation minimization and applications", 2004, equation (9)
 */
function totalVariation(image: Planes, { weight, iterations }: TransformOf<'total-variation'>): Float32Array {
  const { values, planes, height, width } = image;
  const copy = new Float32Array(values.length);
  const size = height * width;
  for (let plane = 0; plane < planes; plane++) {
    const x = Float64Array.from(values.subarray(plane * size, (plane + 1) * size));
    const down = new Float64Array(size);
    const right = new Float64Array(size);
    const divergence = (index: number) =>
      down[index] -
      (index >= width ? down[index - width] : 0) +
      right[index] -
      (index % width > 0 ? right[index - 1] : 0);
    for (let iteration = 0; iteration < iterations; iteration++) {
      const u = x.map((value, index) => divergence(index) - value / weight);
      for (let index = 0; index < size; index++) {
        const gradientDown = index + width < size ? u[index + width] - u[index] : 0;
        const gradientRight = index % width < width - 1 ? u[index + 1] - u[index] : 0;
        const shrink = 1 + totalVariationStep * Math.hypot(gradientDown, gradientRight);
        down[index] = (down[index] + totalVariationStep * gradientDown) / shrink;
        right[index] = (right[index] + totalVariationStep * gradientRight) / shrink;
      }
    }
    copy.set(
      x.map((value, index) => value - weight * divergence(index)),
      plane * size,
    );
  }
  return copy;
}

/**
 * Weights of a Gaussian blur along one axis.
 * @param sigma in pixels
 * @param size odd
 * @returns [size], sum 1
 */
export function gaussianWeights({ sigma, size }: { sigma: number; size: number }): Float64Array {
  assert(size % 2 === 1, 'the window of a blur has an odd side');
  const middle = (size - 1) / 2;
  const weights = Float64Array.from({ length: size }, (_, index) =>
    Math.exp(-((index - middle) ** 2) / (2 * sigma ** 2)),
  );
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

/**
 * Convolves with a Gaussian of `size` x `size` pixels; beyond the edge the image is reflected without repeating its edge
 * (numpy's `reflect`). A signal, one row, is blurred along the row.
 */
function gaussianBlur(image: Planes, { sigma, size }: TransformOf<'blur'>): Float32Array {
  const { height, width } = image;
  const weights = gaussianWeights({ sigma, size });
  const reach = (size - 1) / 2;
  const reflect = (index: number, extent: number) =>
    index < 0 ? -index : index >= extent ? 2 * (extent - 1) - index : index;
  return mapPixels(image, (at, row, column) => {
    let sum = 0;
    for (let down = -reach; down <= reach; down++) {
      if (height === 1 && down !== 0) continue;
      const vertical = height === 1 ? 1 : weights[down + reach];
      for (let right = -reach; right <= reach; right++) {
        const weight = vertical * weights[right + reach];
        sum += weight * at(reflect(row + down, height), reflect(column + right, width));
      }
    }
    return sum;
  });
}

/**
 * Rounds to 2^bits levels that are spread evenly over the range: `round(x (2^bits - 1)) / (2^bits - 1)` for [0, 1].
 * A half is rounded to the even neighbour, as numpy and ONNX do, and products are float32, so that the same values are
 * halves everywhere.
 * @see Xu et al., "Feature squeezing", 2018, section III.A
 */
function reduceBitDepth(
  { values }: Planes,
  { bits }: TransformOf<'bit-depth'>,
  [low, high]: readonly [number, number],
): Float32Array {
  const levels = 2 ** bits - 1;
  // A width of 1 and a start at 0, the usual range, leave the value as it is.
  const width = Math.fround(high - low);
  return values.map((value) => {
    const unit = Math.fround(Math.fround(value - Math.fround(low)) / width);
    return (roundHalfEven(Math.fround(unit * levels)) / levels) * width + low;
  });
}

/**
 * The median of each `size` x `size` window; beyond the edge stands the edge's own pixel. A window of 2 holds the pixel,
 * its upper and its left neighbours, and gives the higher of its two middle values, as scipy does.
 * @see Xu et al., "Feature squeezing", 2018, section III.B
 */
function medianFilter(image: Planes, { size }: TransformOf<'median'>): Float32Array {
  const last = size === 3 ? 1 : 0;
  return mapPixels(image, (at, row, column) => {
    const window: number[] = [];
    for (let down = -1; down <= last; down++) {
      for (let right = -1; right <= last; right++) window.push(at(row + down, column + right));
    }
    window.sort((left, right) => left - right);
    return window[window.length >> 1];
  });
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

function isWithin({ height, width }: Planes, row: number, column: number): boolean {
  return row >= 0 && row < height && column >= 0 && column < width;
}

/** Computes every pixel of every plane; `at` reads a pixel of the same plane, the nearest one beyond the edge. */
function mapPixels(
  { values, planes, height, width }: Planes,
  pixel: (at: (row: number, column: number) => number, row: number, column: number) => number,
): Float32Array {
  const clamp = (index: number, extent: number) => Math.min(extent - 1, Math.max(0, index));
  const copy = new Float32Array(values.length);
  for (let plane = 0; plane < planes; plane++) {
    const first = plane * height * width;
    const at = (row: number, column: number) =>
      values[first + clamp(row, height) * width + clamp(column, width)];
    for (let row = 0; row < height; row++) {
      for (let column = 0; column < width; column++) {
        copy[first + row * width + column] = pixel(at, row, column);
      }
    }
  }
  return copy;
}

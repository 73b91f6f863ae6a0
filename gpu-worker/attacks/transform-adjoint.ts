// Gradients back through the perturbed copies: exact where a copy is linear in its input, straight through elsewhere.
import { assertShape } from '../../shared/assert.ts';
import type { Transform, TransformOf } from '../../shared/contracts/transform.ts';
import { gaussianWeights, type Planes } from '../../shared/maths/transforms.ts';

/**
 * Brings a gradient by a transformed copy back to the input.
 *
 * Shift, mirror and blur are linear: theirs is the adjoint. Total variation, bit depth and median are taken for the
 * identity (BPDA): they keep their input near, and their own derivative is 0 or erratic.
 * @param gradient [planes, height, width], by the copy
 * @returns [planes, height, width], by the input
 * @throws Error where the values do not have the stated shape
 * @see Athalye, Carlini and Wagner, "Obfuscated gradients give a false sense of security" (2018), section 4.1
 */
export function transformAdjoint(gradient: Planes, transform: Transform): Float32Array {
  assertShape(gradient.values, [gradient.planes, gradient.height, gradient.width], 'gradient');
  switch (transform.family) {
    case 'shift':
      return shiftAdjoint(gradient, transform);
    case 'mirror':
      return scatter(gradient, (row, column, give) => give(row, gradient.width - 1 - column, 1));
    case 'blur':
      return blurAdjoint(gradient, transform);
    case 'total-variation':
    case 'bit-depth':
    case 'median':
      return gradient.values;
  }
}

/** Reads an input's shape as planes: an image [C, H, W], a signal or anything else as one row. */
export function planesOf(values: Float32Array, shape: readonly number[]): Planes {
  if (shape.length !== 3) return { values, planes: 1, height: 1, width: values.length };
  return { values, planes: shape[0], height: shape[1], width: shape[2] };
}

/**
 * Brings a gradient by `clip(x + noise)` back to x: 0 where the clip holds the copy.
 * @param copy the clipped copy, of the gradient's length
 */
export function clipAdjoint(
  gradient: Float32Array,
  copy: Float32Array,
  [low, high]: readonly [number, number],
): Float32Array {
  return gradient.map((value, index) => (copy[index] > low && copy[index] < high ? value : 0));
}

type Give = (row: number, column: number, weight: number) => void;

/** Gives each pixel's gradient to the pixels that it was computed from. */
function scatter(
  { values, planes, height, width }: Planes,
  sources: (row: number, column: number, give: Give) => void,
): Float32Array {
  const result = new Float32Array(values.length);
  for (let plane = 0; plane < planes; plane++) {
    const first = plane * height * width;
    for (let row = 0; row < height; row++) {
      for (let column = 0; column < width; column++) {
        const value = values[first + row * width + column];
        sources(row, column, (fromRow, fromColumn, weight) => {
          result[first + fromRow * width + fromColumn] += weight * value;
        });
      }
    }
  }
  return result;
}

function shiftAdjoint(gradient: Planes, { dx, dy, edge }: TransformOf<'shift'>): Float32Array {
  const { height, width } = gradient;
  const clamp = (index: number, extent: number) => Math.min(extent - 1, Math.max(0, index));
  return scatter(gradient, (row, column, give) => {
    const [fromRow, fromColumn] = [clamp(row - dy, height), clamp(column - dx, width)];
    // Zeros that came in at the edge are of no pixel.
    if (edge === 'zeros' && (fromRow !== row - dy || fromColumn !== column - dx)) return;
    give(fromRow, fromColumn, 1);
  });
}

function blurAdjoint(gradient: Planes, { sigma, size }: TransformOf<'blur'>): Float32Array {
  const { height, width } = gradient;
  const weights = gaussianWeights({ sigma, size });
  const reach = (size - 1) / 2;
  // As the blur reads: reflected without the edge, and never beyond an image that is smaller than its window.
  const place = (index: number, extent: number) => {
    const reflected = index < 0 ? -index : index >= extent ? 2 * (extent - 1) - index : index;
    return Math.min(extent - 1, Math.max(0, reflected));
  };
  const downMax = height === 1 ? 0 : reach;
  return scatter(gradient, (row, column, give) => {
    for (let down = -downMax; down <= downMax; down++) {
      const vertical = height === 1 ? 1 : weights[down + reach];
      for (let right = -reach; right <= reach; right++)
        give(place(row + down, height), place(column + right, width), vertical * weights[right + reach]);
    }
  });
}

// Baseline: how far the probabilities move when an image loses detail.
import { GuardError } from '../../shared/errors.ts';
import type { AttackTarget } from '../attacks/attack-target.ts';
import { type BaselineScores, countRows } from './baseline.ts';
import { softmax } from './softmax.ts';

/** What takes detail away. */
export type Squeezer =
  | { readonly kind: 'bit-depth'; readonly bits: number }
  /** Of a window of 2 x 2 pixels. */
  | { readonly kind: 'median' };

/** The paper's joint squeezers for MNIST and CIFAR-10, as far as they are built here. */
export const squeezersOf = {
  mnist: [{ kind: 'bit-depth', bits: 1 }, { kind: 'median' }],
  cifar10: [{ kind: 'bit-depth', bits: 5 }, { kind: 'median' }],
} as const satisfies Record<string, readonly Squeezer[]>;

/**
 * Scores images by the largest l1 distance between the probabilities of an image and of its squeezed copies.
 *
 * Ours: without non-local means, the paper's third squeezer for colour images, and without JPEG, which separates by the
 * images' own compression where a data set was decoded from JPEG files.
 * @param inputs row-major [rows, channels, height, width]
 * @returns in [0, 2]
 * @throws GuardError `invalid_model` where the model reads no images
 * @see Xu, Evans and Qi, "Feature squeezing: detecting adversarial examples in deep neural networks" (NDSS 2018),
 *   sections III and V
 */
export async function featureSqueezing(
  target: AttackTarget,
  inputs: Float32Array,
  squeezers: readonly Squeezer[],
): Promise<BaselineScores> {
  const { inputShape, classes, range } = target;
  const rows = countRows(target, inputs);
  if (inputShape.length !== 3) {
    const detail = `feature squeezing needs images [channels, height, width], the model reads [${inputShape.join(', ')}]`;
    throw new GuardError('invalid_model', detail);
  }
  const plain = await target.logits(inputs);
  const scores = new Float64Array(rows);
  for (const squeezer of squeezers) {
    const squeezed =
      squeezer.kind === 'median' ? medianOfTwo(inputs, inputShape) : toBits(inputs, { ...squeezer, range });
    const logits = await target.logits(squeezed);
    for (let row = 0; row < rows; row++) {
      const [before, after] = [plain, logits].map((all) =>
        softmax(all.subarray(row * classes, (row + 1) * classes)),
      );
      const distance = before.reduce((sum, value, index) => sum + Math.abs(value - after[index]), 0);
      scores[row] = Math.max(scores[row], distance);
    }
  }
  return { scores, passesPerInput: rows === 0 ? 0 : 1 + squeezers.length };
}

/**
 * Rounds every value to the nearest of 2^bits equally spaced ones over the range.
 * @param bits at least 1
 */
export function toBits(
  inputs: Float32Array,
  { bits, range: [low, high] }: { bits: number; range: readonly [number, number] },
): Float32Array {
  const steps = 2 ** bits - 1;
  const width = high - low;
  return inputs.map((value) => low + (width * Math.round((steps * (value - low)) / width)) / steps);
}

/**
 * Median of each pixel, its left, its upper and its upper left neighbour: of four values the third smallest, edges
 * repeated, as SciPy's `median_filter` of size 2 takes it, which the authors' own code calls.
 * @param inputs row-major [..., height, width]
 * @param shape whose last two extents are height and width
 */
export function medianOfTwo(inputs: Float32Array, shape: readonly number[]): Float32Array {
  const [height, width] = shape.slice(-2);
  const planes = inputs.length / (height * width);
  const squeezed = new Float32Array(inputs.length);
  const window = new Float32Array(4);
  for (let plane = 0; plane < planes; plane++) {
    for (let row = 0; row < height; row++) {
      const here = (plane * height + row) * width;
      const above = row === 0 ? here : here - width;
      for (let column = 0; column < width; column++) {
        const left = Math.max(0, column - 1);
        window[0] = inputs[here + column];
        window[1] = inputs[here + left];
        window[2] = inputs[above + column];
        window[3] = inputs[above + left];
        squeezed[here + column] = window.sort()[2];
      }
    }
  }
  return squeezed;
}

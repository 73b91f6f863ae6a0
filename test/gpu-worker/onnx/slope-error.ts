// How far a gradient graph is from what finite differences of the model show.
import { expect } from 'vitest';
import type { Engine } from '../../../gpu-worker/engine/engine.ts';
import { gradientModel } from '../../../gpu-worker/onnx/input-gradient.ts';
import { normal, permutation, seededRandom } from '../../../shared/maths/random.ts';
import { elementCount, float32Tensor } from '../../../shared/maths/tensor.ts';

/** Where and how finely a gradient is looked at. */
export interface SlopeOptions {
  readonly rows?: number;
  /**
   * Of the finite difference, in units of the input. Of several the one counts that agrees best: a long one crosses kinks of
   * a network, a short one drowns in float32's rounding.
   */
  readonly steps?: readonly number[];
  /** Values of the input lie between these, evenly spread. */
  readonly range?: readonly [number, number];
  readonly directions?: number;
}

/**
 * The largest difference, over the gradient's length, between the slope that the gradient says and the one that central
 * differences of the seeded sum show, along random directions.
 */
export async function slopeError(
  engine: Engine,
  bytes: Uint8Array,
  { rows = 2, steps = [1e-3], range = [-2, 2], directions = 3 }: SlopeOptions = {},
): Promise<number> {
  const model = await engine.load(await gradientModel(bytes, { engine, head: 'seed' }));
  const shape = [rows, ...model.inputs.find(({ name }) => name === 'x')!.shape.slice(1)];
  const classes = model.inputs.find(({ name }) => name === 'seed')!.shape[1];
  const random = seededRandom(9);
  const size = elementCount(shape);
  const [low, high] = range;
  // All values differ by far more than the step and none lies near 0, so that no maximum or kink is crossed.
  const x = Float32Array.from(
    permutation(size, random),
    (place) => low + ((high - low) * (place + 0.5)) / size,
  );
  const seed = Float32Array.from({ length: rows * classes }, () => normal(random));
  const run = (values: Float32Array) =>
    model.run({ x: float32Tensor(values, shape), seed: float32Tensor(seed, [rows, classes]) });
  const loss = async (values: Float32Array) => {
    const { logits } = await run(values);
    return seed.reduce((sum, weight, index) => sum + weight * Number(logits.data[index]), 0);
  };
  const answer = (await run(x)).gradient;
  expect(answer.shape).toEqual(shape);
  const gradient = answer.data as Float32Array;
  const length = Math.hypot(...gradient);
  let error = 0;
  for (let trial = 0; trial < directions; trial++) {
    const direction = Float32Array.from({ length: size }, () => normal(random));
    const said = gradient.reduce((sum, value, index) => sum + value * direction[index], 0);
    const differences: number[] = [];
    for (const step of steps) {
      const moved = (by: number) => x.map((value, index) => value + by * direction[index]);
      const shown = ((await loss(moved(step))) - (await loss(moved(-step)))) / (2 * step);
      differences.push(Math.abs(said - shown) / length);
    }
    // A gradient that is no number must not pass for the largest of none.
    const difference = Math.min(...differences);
    error = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(error, difference);
  }
  await model.release();
  return error;
}

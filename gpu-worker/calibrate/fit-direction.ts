// Fits the direction in which the penultimate activations of adversarial examples differ from those of clean inputs.
import { assert } from '../../shared/assert.ts';
import type { StagePool } from './fit-stages.ts';
import { trainMlp } from './train-mlp.ts';

/** A strong decay: there is a weight a neuron, and only a third of the images to fit them to. */
const training = { steps: 2000, batch: 128, weightDecay: 0.1 };

/**
 * Fits a logistic regression on the activations, both sides with the same mass, a pool with its own.
 * @param pools of images that no stage is trained on: a direction looks better on the rows that it was fitted to
 * @returns [neurons]; a row's projection on it is the logit, but for a constant
 * @throws Error where a side is missing
 */
export function fitDirection(pools: readonly StagePool[], seed: number): Float32Array {
  const filled = pools
    .map((pool) => ({ ...pool, count: pool.parts.reduce((sum, part) => sum + part.count, 0) }))
    .filter(({ count }) => count > 0);
  const mass = (side: boolean) =>
    filled.filter(({ adversarial }) => adversarial === side).reduce((sum, pool) => sum + pool.mass, 0);
  const parts = filled.flatMap((pool) =>
    pool.parts.map((part) => ({
      ...part,
      adversarial: pool.adversarial ? 1 : 0,
      weight: pool.mass / mass(pool.adversarial) / pool.count,
    })),
  );
  const count = parts.reduce((sum, part) => sum + part.count, 0);
  const activations = parts.flatMap(({ changes }) => {
    assert(changes !== undefined, 'the plan of these rows taps the activations');
    return [changes];
  });
  const length = activations.reduce((sum, { length: values }) => sum + values, 0) / count;
  const samples = {
    vectors: new Float64Array(count * length),
    length,
    adversarial: new Uint8Array(count),
    weights: new Float64Array(count),
  };
  let first = 0;
  for (const [index, { adversarial, weight, count: rows }] of parts.entries()) {
    samples.vectors.set(activations[index], first * length);
    samples.adversarial.fill(adversarial, first, first + rows);
    samples.weights.fill(weight, first, first + rows);
    first += rows;
  }
  const { layers, deviation } = trainMlp(samples, { hidden: [], seed, ...training });
  const [{ weights }] = layers;
  return Float32Array.from(
    deviation,
    (spread, neuron) => (weights[length + neuron] - weights[neuron]) / spread,
  );
}

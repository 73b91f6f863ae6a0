// Fits the direction in which the penultimate activations of adversarial examples differ from those of clean inputs.
import { assert } from '../../shared/assert.ts';
import type { StagePool } from './fit-stages.ts';
import { poolSamples } from './pool-samples.ts';
import { type LabelledVectors, trainMlp } from './train-mlp.ts';

/** A strong decay: there is a weight a neuron, and only a third of the images to fit them to. */
const training = { steps: 2000, batch: 128, weightDecay: 0.1 };

/**
 * Fits a logistic regression on the activations, both sides with the same mass, a pool with its own.
 * @param pools of images that no stage is trained on: a direction looks better on the rows that it was fitted to
 * @returns [neurons], 0 for a neuron that says the same of every row; a row's projection on it is the logit, but for a constant
 * @throws Error where a side is missing
 */
export function fitDirection(pools: readonly StagePool[], seed: number): Float32Array {
  const filled = pools.map((pool) => ({ ...pool, parts: pool.parts.flatMap(activationsOf) }));
  const samples = poolSamples(filled.filter(({ parts }) => parts.length > 0));
  const { length } = samples;
  const { layers, deviation } = trainMlp(samples, { hidden: [], seed, ...training });
  const [{ weights }] = layers;
  const ranges = valueRanges(samples);
  return Float32Array.from(deviation, (spread, neuron) => {
    // Training puts 1 for no deviation and leaves such a neuron the weights that were drawn for it. Values whose deviation
    // is 1 lie at least 2 apart.
    if (spread === 1 && ranges[neuron] < 1) return 0;
    return (weights[length + neuron] - weights[neuron]) / spread;
  });
}

function activationsOf({ count, changes }: StagePool['parts'][number]) {
  if (count === 0) return [];
  assert(changes !== undefined, 'the plan of these rows taps the activations');
  return [{ count, length: changes.length / count, vectors: changes }];
}

/** How far apart the largest and the smallest value of each entry lie, [length]. */
function valueRanges({ vectors, length }: LabelledVectors): Float64Array {
  const [low, high] = [vectors.slice(0, length), vectors.slice(0, length)];
  for (let index = length; index < vectors.length; index++) {
    const entry = index % length;
    low[entry] = Math.min(low[entry], vectors[index]);
    high[entry] = Math.max(high[entry], vectors[index]);
  }
  return high.map((value, entry) => value - low[entry]);
}

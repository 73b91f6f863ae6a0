// Fits the perceptron of a design to the vectors of its pools, and scores vectors with it.
import { type Mlp, mlpScore } from '../../shared/detector/mlp.ts';
import type { RowVectors } from './extract-rows.ts';
import { trainMlp } from './train-mlp.ts';
import type { TrainingRecipe } from './training-recipes.ts';

/** Vectors of one pool. */
export interface PoolVectors {
  readonly adversarial: boolean;
  readonly mass: number;
  /** One a source. */
  readonly parts: readonly RowVectors[];
}

/** Rows of a pool. */
export function poolCount({ parts }: Pick<PoolVectors, 'parts'>): number {
  return parts.reduce((sum, { count }) => sum + count, 0);
}

/**
 * Trains a perceptron on pools. Clean and adversarial pools have the same mass in all, a pool's share of its side is its
 * mass, and the rows of a pool count the same.
 * @throws Error where a side is missing
 * @see NCCR, section 5.1
 */
export function fitDetector(
  pools: readonly PoolVectors[],
  { hidden, training = {} }: Pick<TrainingRecipe, 'hidden' | 'training'>,
  seed: number,
): Mlp {
  const sideMass = (side: boolean) =>
    pools.filter(({ adversarial }) => adversarial === side).reduce((sum, { mass }) => sum + mass, 0);
  const count = pools.reduce((sum, pool) => sum + poolCount(pool), 0);
  const { length } = pools[0].parts[0];
  const samples = {
    vectors: new Float64Array(count * length),
    length,
    adversarial: new Uint8Array(count),
    weights: new Float64Array(count),
  };
  let first = 0;
  for (const pool of pools) {
    const weight = pool.mass / sideMass(pool.adversarial) / poolCount(pool);
    for (const { vectors, count: rows } of pool.parts) {
      const end = first + rows;
      samples.vectors.set(vectors, first * length);
      samples.adversarial.fill(pool.adversarial ? 1 : 0, first, end);
      samples.weights.fill(weight, first, end);
      first = end;
    }
  }
  return trainMlp(samples, { hidden, seed, ...training });
}

/** Scores of vectors by the plain perceptron, [count]. */
export function scoreVectors(mlp: Mlp, { vectors, count, length }: RowVectors): Float64Array {
  return Float64Array.from({ length: count }, (_, row) =>
    mlpScore(mlp, vectors.subarray(row * length, (row + 1) * length)),
  );
}

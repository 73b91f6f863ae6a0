// Pools of rows as the samples of one training: their vectors in one array, and what each row counts.
import type { LabelledVectors } from './train-mlp.ts';

/** Rows of one kind, with what they count together. */
export interface SamplePool {
  readonly adversarial: boolean;
  readonly mass: number;
  readonly parts: readonly {
    readonly count: number;
    readonly length: number;
    /** Row-major [count, length]. */
    readonly vectors: Float32Array | Float64Array;
  }[];
}

/** Rows of a pool. */
export function poolCount({ parts }: { readonly parts: readonly { readonly count: number }[] }): number {
  return parts.reduce((sum, { count }) => sum + count, 0);
}

/** What a row of each pool counts: a side has 1 in all, of which a pool has its share by mass, and its rows the same each. */
export function rowWeights(
  pools: readonly (Pick<SamplePool, 'adversarial' | 'mass'> & Parameters<typeof poolCount>[0])[],
): number[] {
  const sideMass = (side: boolean) =>
    pools.filter(({ adversarial }) => adversarial === side).reduce((sum, { mass }) => sum + mass, 0);
  return pools.map((pool) => pool.mass / sideMass(pool.adversarial) / poolCount(pool));
}

/**
 * Joins pools, row after row in their order.
 * @param pools all of one length
 */
export function poolSamples(pools: readonly SamplePool[]): Required<LabelledVectors> {
  const count = pools.reduce((sum, pool) => sum + poolCount(pool), 0);
  const { length } = pools[0].parts[0];
  const samples = {
    vectors: new Float64Array(count * length),
    length,
    adversarial: new Uint8Array(count),
    weights: new Float64Array(count),
  };
  const weights = rowWeights(pools);
  let first = 0;
  for (const [index, { adversarial, parts }] of pools.entries()) {
    for (const { vectors, count: rows } of parts) {
      const end = first + rows;
      samples.vectors.set(vectors, first * length);
      samples.adversarial.fill(adversarial ? 1 : 0, first, end);
      samples.weights.fill(weights[index], first, end);
      first = end;
    }
  }
  return samples;
}

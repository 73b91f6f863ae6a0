// Fits the perceptron of a design to the vectors of its pools, and scores vectors with it.
import { type Mlp, mlpScore, parameterCount } from '../../shared/detector/mlp.ts';
import { detectorParametersMax } from '../../shared/limits.ts';
import { unitNumbers } from '../../shared/maths/unit-changes.ts';
import type { RowVectors } from './extract-rows.ts';
import { fitHead } from './fit-head.ts';
import { poolSamples } from './pool-samples.ts';
import { trainMlp } from './train-mlp.ts';
import type { TrainingRecipe, TrainingSource } from './training-recipes.ts';

/** Vectors of one pool. */
export interface PoolVectors {
  readonly adversarial: boolean;
  readonly mass: number;
  /** One a source. */
  readonly parts: readonly RowVectors[];
  /** As in `PoolInputs`; only a head on neurons reads them. */
  readonly sources?: readonly TrainingSource[] | undefined;
}

/**
 * Trains a perceptron on pools. Clean and adversarial pools have the same mass in all, a pool's share of its side is its
 * mass, and the rows of a pool count the same. Of a recipe with a head the head is fitted first, and the layers read its
 * score behind the rest of the vector.
 * @throws Error where a side is missing
 * @see NCCR, section 5.1
 */
export function fitDetector(
  pools: readonly PoolVectors[],
  recipe: Pick<TrainingRecipe, 'hidden' | 'training' | 'head'>,
  seed: number,
): Mlp {
  if (recipe.head === undefined) return fitLayers(pools, recipe, seed);
  const { length, units = 0 } = pools[0].parts[0];
  const own = length - unitNumbers * units;
  const widths = [own + 1, ...recipe.hidden, 2];
  const layers = widths.slice(1).map((outputs, index) => ({ inputs: widths[index], outputs }));
  const entriesMax = detectorParametersMax - parameterCount(layers) - 1;
  const { head, scores } = fitHead(pools, { recipe: recipe.head, entriesMax, seed });
  const read = pools.map((pool, index) => ({
    ...pool,
    parts: pool.parts.map((part, place) => behind(part, own, scores[index][place])),
  }));
  return { ...fitLayers(read, recipe, seed), head };
}

/** The first entries of vectors, and a score behind them. */
function behind({ count, length, vectors }: RowVectors, own: number, scores: Float64Array): RowVectors {
  const joined = new Float64Array(count * (own + 1));
  for (let row = 0; row < count; row++) {
    joined.set(vectors.subarray(row * length, row * length + own), row * (own + 1));
    joined[row * (own + 1) + own] = scores[row];
  }
  return { count, length: own + 1, vectors: joined };
}

function fitLayers(
  pools: readonly PoolVectors[],
  { hidden, training = {} }: Pick<TrainingRecipe, 'hidden' | 'training'>,
  seed: number,
): Mlp {
  return trainMlp(poolSamples(pools), { hidden, seed, ...training });
}

/** Scores of vectors by the plain perceptron, [count]. */
export function scoreVectors(mlp: Mlp, { vectors, count, length }: RowVectors): Float64Array {
  return Float64Array.from({ length: count }, (_, row) =>
    mlpScore(mlp, vectors.subarray(row * length, (row + 1) * length)),
  );
}

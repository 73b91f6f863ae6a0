// Two-covariance PLDA: how likely two sets of embeddings come from one speaker.
import { assert, assertShape } from '../assert.ts';
import { momentsOf } from './pca.ts';
import { symmetricEigen } from './symmetric-eigen.ts';

/** Share of a spherical covariance in the one within speakers: a few hundred windows do not fill every direction. */
const shrinkage = 0.1;

/** A fitted model: in its coordinates embeddings vary by 1 within a speaker and by `between` among speakers. */
export interface Plda {
  /** [dimensions]. */
  readonly mean: Float64Array;
  /** Row-major [axes, dimensions]. */
  readonly axes: Float64Array;
  /** [axes], falling, at least 0: the variance of the speakers' means along each axis. */
  readonly between: Float64Array;
}

/**
 * Fits the model by moments: the covariance within speakers, and that of their means less what the draw of windows adds to it.
 * @param embeddings row-major [count, dimensions], finite
 * @param speakers [count]: the speaker of each; every one has at least two
 * @returns as many axes as speakers less one, and no more than dimensions
 * @throws Error where a shape is wrong or there are fewer than two speakers
 * @see Brümmer and de Villiers, "The speaker partitioning problem" (2010), the two-covariance model; Ioffe, "Probabilistic linear
 *   discriminant analysis" (2006), section 4
 */
export function fitPlda(
  embeddings: Float32Array,
  { dimensions, speakers }: { readonly dimensions: number; readonly speakers: ArrayLike<number> },
): Plda {
  const count = speakers.length;
  assertShape(embeddings, [count, dimensions], 'embeddings');
  const groups = Map.groupBy(
    Array.from({ length: count }, (_, row) => row),
    (row) => speakers[row],
  );
  assert(groups.size >= 2, 'PLDA needs two speakers');
  const rowOf = (row: number) => embeddings.subarray(row * dimensions, (row + 1) * dimensions);
  const within = new Float64Array(dimensions ** 2);
  const means = new Float32Array(groups.size * dimensions);
  let sizes = 0;
  for (const [index, rows] of [...groups.values()].entries()) {
    const own = new Float32Array(rows.length * dimensions);
    for (const [place, row] of rows.entries()) own.set(rowOf(row), place * dimensions);
    const { mean, covariance } = momentsOf(own, dimensions);
    means.set(mean, index * dimensions);
    sizes += 1 / rows.length / groups.size;
    for (let at = 0; at < within.length; at++) within[at] += (covariance[at] * rows.length) / count;
  }
  const trace = Array.from({ length: dimensions }, (_, at) => within[at * dimensions + at]);
  const spherical = trace.reduce((sum, value) => sum + value, 0) / dimensions;
  assert(spherical > 0, 'the embeddings of a speaker differ');
  for (let row = 0; row < dimensions; row++) {
    for (let column = 0; column < dimensions; column++) {
      within[row * dimensions + column] *= 1 - shrinkage;
      if (row === column) within[row * dimensions + column] += shrinkage * spherical;
    }
  }
  const whitening = inverseRoot(within, dimensions);
  const { mean, covariance } = momentsOf(means, dimensions);
  const whitened = product(product(whitening, covariance, dimensions), whitening, dimensions);
  const { values, vectors } = symmetricEigen(symmetric(whitened, dimensions), dimensions);
  const kept = Math.min(groups.size - 1, dimensions);
  const axes = new Float64Array(kept * dimensions);
  for (let axis = 0; axis < kept; axis++) {
    for (let column = 0; column < dimensions; column++) {
      let sum = 0;
      for (let at = 0; at < dimensions; at++)
        sum += vectors[axis * dimensions + at] * whitening[at * dimensions + column];
      axes[axis * dimensions + column] = sum;
    }
  }
  const between = Float64Array.from({ length: kept }, (_, axis) => Math.max(0, values[axis] - sizes));
  return { mean: Float64Array.from(mean), axes, between };
}

/** Coordinates [axes] of an embedding. */
export function pldaCoordinates({ mean, axes }: Plda, embedding: ArrayLike<number>): Float64Array {
  const dimensions = mean.length;
  assertShape(embedding, [dimensions], 'embedding');
  return Float64Array.from({ length: axes.length / dimensions }, (_, axis) => {
    let sum = 0;
    for (let at = 0; at < dimensions; at++) sum += axes[axis * dimensions + at] * (embedding[at] - mean[at]);
    return sum;
  });
}

/**
 * Logarithm of how much likelier one speaker is than two.
 * @param enrolled mean coordinates of `windows` of a speaker
 * @param test coordinates of one window
 */
export function pldaScore(
  { between }: Pick<Plda, 'between'>,
  { enrolled, windows, test }: { enrolled: ArrayLike<number>; windows: number; test: ArrayLike<number> },
): number {
  let score = 0;
  for (const [axis, variance] of between.entries()) {
    const spread = windows * variance + 1;
    const expected = ((windows * variance) / spread) * enrolled[axis];
    const own = 1 + variance / spread;
    const any = 1 + variance;
    score += (test[axis] ** 2 / any - (test[axis] - expected) ** 2 / own + Math.log(any / own)) / 2;
  }
  return score;
}

/** The inverse square root of a positive definite matrix. */
function inverseRoot(matrix: Float64Array, size: number): Float64Array {
  const { values, vectors } = symmetricEigen(matrix, size);
  const root = new Float64Array(size * size);
  for (let index = 0; index < size; index++) {
    const factor = 1 / Math.sqrt(values[index]);
    for (let row = 0; row < size; row++) {
      for (let column = 0; column < size; column++) {
        root[row * size + column] += factor * vectors[index * size + row] * vectors[index * size + column];
      }
    }
  }
  return root;
}

function product(left: Float64Array, right: ArrayLike<number>, size: number): Float64Array {
  const result = new Float64Array(size * size);
  for (let row = 0; row < size; row++) {
    for (let at = 0; at < size; at++) {
      const value = left[row * size + at];
      for (let column = 0; column < size; column++)
        result[row * size + column] += value * right[at * size + column];
    }
  }
  return result;
}

/** Rounding leaves products a little off symmetry. */
function symmetric(matrix: Float64Array, size: number): Float64Array {
  return matrix.map((value, index) => {
    const [row, column] = [Math.floor(index / size), index % size];
    return (value + matrix[column * size + row]) / 2;
  });
}

// Whitening by the covariance of all classes around their medians, gathered one class at a time.
import { assert, assertShape } from '../assert.ts';
import { addProducts } from '../maths/pca.ts';
import { symmetricEigen } from '../maths/symmetric-eigen.ts';

/** Share of the covariance that is replaced by a sphere of the same trace, so that flat directions are not blown up; the activations' Gaussians take the same share. */
const shrinkage = 0.1;

/** Sums over the classes gathered so far; plain numbers, so that a job can keep them between its steps. */
export interface PooledCovariance {
  readonly neurons: number;
  /** Vectors gathered. */
  count: number;
  /** [neurons], sum of the vectors less the median of their class. */
  readonly sums: Float64Array;
  /** Row-major [neurons, neurons], lower triangle: sum of the products of those differences. */
  readonly products: Float64Array;
}

/** Nothing gathered yet. */
export function emptyPool(neurons: number): PooledCovariance {
  assert(Number.isInteger(neurons) && neurons > 0, 'there is a whole number of neurons, at least one');
  return {
    neurons,
    count: 0,
    sums: new Float64Array(neurons),
    products: new Float64Array(neurons * neurons),
  };
}

/**
 * Adds the vectors of one whole class to the pool; the order in which classes come changes the last bits of the sums.
 * A class of one vector is its own median and says nothing about a spread: it is left out.
 * @param vectors row-major [count, neurons], finite
 */
export function addClass(pool: PooledCovariance, vectors: Float32Array): void {
  const { neurons, sums, products } = pool;
  const count = vectors.length / neurons;
  assertShape(vectors, [Math.floor(count), neurons], 'vectors');
  if (count < 2) return;
  const centre = medians(vectors, neurons);
  addProducts({ products, vectors, centre });
  for (let start = 0; start < vectors.length; start += neurons) {
    for (let index = 0; index < neurons; index++) sums[index] += vectors[start + index] - centre[index];
  }
  pool.count += count;
}

/**
 * The matrix S^(-1/2) of the shrunk covariance S of what was gathered.
 *
 * Deviation: the paper clusters raw change rates; without whitening a few loud neurons decide the partition.
 * @returns row-major [neurons, neurons], symmetric; the identity where nothing varies
 */
export function whiteningOf({ neurons, count, sums, products }: PooledCovariance): Float64Array {
  const covariance = new Float64Array(neurons * neurons);
  let trace = 0;
  for (let row = 0; row < neurons; row++) {
    for (let column = 0; column <= row; column++) {
      const value =
        count === 0
          ? 0
          : products[row * neurons + column] / count - (sums[row] / count) * (sums[column] / count);
      covariance[row * neurons + column] = (1 - shrinkage) * value;
      covariance[column * neurons + row] = (1 - shrinkage) * value;
      if (row === column) trace += value;
    }
  }
  // What never varies has no size of its own: the sphere is then of size 1.
  const sphere = trace > 0 ? (shrinkage * trace) / neurons : 1;
  for (let index = 0; index < neurons; index++) covariance[index * (neurons + 1)] += sphere;
  const { values, vectors } = symmetricEigen(covariance, neurons);
  const whitening = new Float64Array(neurons * neurons);
  for (let axis = 0; axis < neurons; axis++) {
    // Rounding aside no eigenvalue lies under the sphere's.
    const weight = 1 / Math.sqrt(Math.max(values[axis], sphere));
    for (let row = 0; row < neurons; row++) {
      const left = weight * vectors[axis * neurons + row];
      for (let column = 0; column < neurons; column++) {
        whitening[row * neurons + column] += left * vectors[axis * neurons + column];
      }
    }
  }
  return trace > 0 ? whitening : identity(neurons);
}

/** Median of each column; of an even count the mean of the middle two. */
function medians(vectors: Float32Array, neurons: number): Float64Array {
  const count = vectors.length / neurons;
  const column = new Float32Array(count);
  return Float64Array.from({ length: neurons }, (_, index) => {
    for (let row = 0; row < count; row++) column[row] = vectors[row * neurons + index];
    column.sort();
    const middle = count >> 1;
    return count % 2 === 1 ? column[middle] : (column[middle - 1] + column[middle]) / 2;
  });
}

function identity(size: number): Float64Array {
  const matrix = new Float64Array(size * size);
  for (let index = 0; index < size; index++) matrix[index * (size + 1)] = 1;
  return matrix;
}

// Principal component analysis on typed arrays: mean, covariance, leading axes, projection.
import { assert, assertShape } from '../assert.ts';
import { symmetricEigen } from './symmetric-eigen.ts';

/** First two moments of a set of vectors. */
export interface Moments {
  readonly count: number;
  /** [dimensions]. */
  readonly mean: Float64Array;
  /** Row-major [dimensions, dimensions], divided by the count. */
  readonly covariance: Float64Array;
}

/** What takes a vector to its principal components. */
export interface Projection {
  /** [dimensions], taken off first. */
  readonly mean: Float64Array;
  /** Row-major [components, dimensions]. */
  readonly axes: Float64Array;
  /** [components], the variance along each axis, falling and at least 0. */
  readonly variances: Float64Array;
}

/**
 * Mean and covariance in two passes, so that a mean far from zero costs no digits.
 * @param vectors row-major [count, dimensions], finite, at least one row
 * @returns the covariance as a mean over the rows, not divided by count - 1
 */
export function momentsOf(vectors: Float32Array, dimensions: number): Moments {
  const count = vectors.length / dimensions;
  assert(Number.isInteger(count) && count > 0, 'the vectors are whole rows, at least one');
  const mean = new Float64Array(dimensions);
  for (let start = 0; start < vectors.length; start += dimensions) {
    for (let index = 0; index < dimensions; index++) mean[index] += vectors[start + index];
  }
  for (let index = 0; index < dimensions; index++) mean[index] /= count;
  const covariance = new Float64Array(dimensions * dimensions);
  addProducts({ products: covariance, vectors, centre: mean });
  for (let row = 0; row < dimensions; row++) {
    for (let column = 0; column <= row; column++) {
      covariance[row * dimensions + column] /= count;
      covariance[column * dimensions + row] = covariance[row * dimensions + column];
    }
  }
  return { count, mean, covariance };
}

/**
 * Adds the sum over the rows of (v - centre)(v - centre)^T to the lower triangle of `products`.
 * @param products row-major [dimensions, dimensions], changed
 * @param vectors row-major [count, dimensions]
 * @param centre [dimensions]
 */
export function addProducts({
  products,
  vectors,
  centre,
}: {
  products: Float64Array;
  vectors: Float32Array;
  centre: Float64Array;
}): void {
  const dimensions = centre.length;
  assertShape(products, [dimensions, dimensions], 'products');
  const centred = new Float64Array(dimensions);
  for (let start = 0; start < vectors.length; start += dimensions) {
    for (let index = 0; index < dimensions; index++) centred[index] = vectors[start + index] - centre[index];
    for (let row = 0; row < dimensions; row++) {
      const value = centred[row];
      const offset = row * dimensions;
      for (let column = 0; column <= row; column++) products[offset + column] += value * centred[column];
    }
  }
}

/**
 * The axes along which the vectors vary most.
 * @param vectors row-major [count, dimensions], finite, at least one row
 * @param components how many axes are asked for; there are never more than `dimensions`
 * @see Hotelling (1933)
 */
export function pca(vectors: Float32Array, options: { dimensions: number; components: number }): Projection {
  return leadingAxes(momentsOf(vectors, options.dimensions), options.components);
}

/** The axes of {@link pca} where the moments are known already. */
export function leadingAxes({ mean, covariance }: Omit<Moments, 'count'>, components: number): Projection {
  const dimensions = mean.length;
  const kept = Math.min(components, dimensions);
  const { values, vectors } = symmetricEigen(covariance, dimensions);
  // Rounding may leave the variance of a flat direction a little under zero.
  const variances = values.slice(0, kept).map((value) => Math.max(value, 0));
  return { mean, axes: vectors.slice(0, kept * dimensions), variances };
}

/**
 * Coordinates along the axes.
 * @param vectors row-major [count, dimensions]
 * @returns row-major [count, components]
 */
export function project(
  vectors: Float32Array,
  { mean, axes }: Pick<Projection, 'mean' | 'axes'>,
): Float32Array {
  const dimensions = mean.length;
  const components = axes.length / dimensions;
  const count = vectors.length / dimensions;
  assert(Number.isInteger(count) && Number.isInteger(components), 'vectors and axes are whole rows');
  const projected = new Float32Array(count * components);
  const centred = new Float64Array(dimensions);
  for (let row = 0; row < count; row++) {
    for (let index = 0; index < dimensions; index++) {
      centred[index] = vectors[row * dimensions + index] - mean[index];
    }
    for (let component = 0; component < components; component++) {
      let sum = 0;
      for (let index = 0; index < dimensions; index++) {
        sum += axes[component * dimensions + index] * centred[index];
      }
      projected[row * components + component] = sum;
    }
  }
  return projected;
}

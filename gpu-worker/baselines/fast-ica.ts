// Independent component analysis by the parallel fixed point of FastICA.
import { assert } from '../../shared/assert.ts';
import { pca, project } from '../../shared/maths/pca.ts';
import { normal, type Random, seededRandom } from '../../shared/maths/random.ts';
import { symmetricEigen } from '../../shared/maths/symmetric-eigen.ts';

/** Turn of an axis under which the iteration has converged, and steps after which it ends anyway: scikit-learn's bounds. */
const tolerance = 1e-4;
const stepsMax = 200;
/** Share of the largest variance under which a direction is rounding, not data. */
const flatShare = 1e-10;

/** What is taken apart, and how far. */
export interface FastIcaOptions {
  readonly dimensions: number;
  /** Components asked for; fewer come back where the vectors vary in fewer directions. */
  readonly components: number;
  /** Draws the start, which decides between answers where the data has no independent components. */
  readonly seed: number;
}

/** Vectors in their independent components. */
export interface IndependentComponents {
  /** Row-major [count, components], each component of mean 0 and variance 1; their order and signs say nothing. */
  readonly points: Float32Array;
  readonly components: number;
  /** Whether the axes stood still in the end. */
  readonly converged: boolean;
}

/**
 * Finds directions along which vectors are least Gaussian: whitened by their principal components, then turned by the
 * fixed point for log cosh, all axes together.
 * @param vectors row-major [count, dimensions], finite, at least one row
 * @see Hyvarinen and Oja, "Independent component analysis: algorithms and applications" (2000), section 6.2 to 6.3
 */
export function fastIca(vectors: Float32Array, options: FastIcaOptions): IndependentComponents {
  const { dimensions, components, seed } = options;
  assert(components > 0, 'there is at least one component');
  const projection = pca(vectors, { dimensions, components });
  const { variances } = projection;
  const kept = variances.filter((value) => value > 0 && value > flatShare * variances[0]).length;
  const count = vectors.length / dimensions;
  if (kept === 0) return { points: new Float32Array(count), components: 1, converged: true };
  const axes = projection.axes.subarray(0, kept * dimensions);
  const white = project(vectors, { mean: projection.mean, axes });
  for (let index = 0; index < white.length; index++) white[index] /= Math.sqrt(variances[index % kept]);
  let turn = decorrelated(randomMatrix(kept, seededRandom(seed)), kept);
  let converged = false;
  for (let step = 0; step < stepsMax && !converged; step++) {
    const next = decorrelated(fixedPoint(white, turn, kept), kept);
    converged = largestTurn(next, turn, kept) < tolerance;
    turn = next;
  }
  return { points: turned(white, turn, kept), components: kept, converged };
}

/** One step for every axis w: E[x g(w.x)] - E[g'(w.x)] w, with g = tanh. */
function fixedPoint(white: Float32Array, axes: Float64Array, size: number): Float64Array {
  const count = white.length / size;
  const next = new Float64Array(size * size);
  for (let axis = 0; axis < size; axis++) {
    let slopes = 0;
    for (let start = 0; start < white.length; start += size) {
      let place = 0;
      for (let index = 0; index < size; index++) place += axes[axis * size + index] * white[start + index];
      const bent = Math.tanh(place);
      slopes += 1 - bent * bent;
      for (let index = 0; index < size; index++) {
        next[axis * size + index] += (bent * white[start + index]) / count;
      }
    }
    for (let index = 0; index < size; index++) {
      next[axis * size + index] -= (slopes / count) * axes[axis * size + index];
    }
  }
  return next;
}

/** (W W^T)^(-1/2) W: the orthogonal matrix nearest to W, so that no two axes find the same component. */
function decorrelated(matrix: Float64Array, size: number): Float64Array {
  const gram = new Float64Array(size * size);
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      for (let index = 0; index < size; index++) {
        gram[row * size + column] += matrix[row * size + index] * matrix[column * size + index];
      }
    }
  }
  const { values, vectors } = symmetricEigen(gram, size);
  const result = new Float64Array(size * size);
  for (let axis = 0; axis < size; axis++) {
    const vector = vectors.subarray(axis * size, (axis + 1) * size);
    const weight = 1 / Math.sqrt(Math.max(values[axis], Number.MIN_VALUE));
    for (let column = 0; column < size; column++) {
      let along = 0;
      for (let index = 0; index < size; index++) along += vector[index] * matrix[index * size + column];
      for (let row = 0; row < size; row++) result[row * size + column] += weight * vector[row] * along;
    }
  }
  return result;
}

/** How far the axis that turned most is from where it was, 0 to 1; a change of sign is none. */
function largestTurn(next: Float64Array, before: Float64Array, size: number): number {
  let most = 0;
  for (let axis = 0; axis < size; axis++) {
    let inner = 0;
    for (let index = 0; index < size; index++) {
      inner += next[axis * size + index] * before[axis * size + index];
    }
    most = Math.max(most, Math.abs(Math.abs(inner) - 1));
  }
  return most;
}

function turned(white: Float32Array, axes: Float64Array, size: number): Float32Array {
  const points = new Float32Array(white.length);
  for (let start = 0; start < white.length; start += size) {
    for (let axis = 0; axis < size; axis++) {
      let sum = 0;
      for (let index = 0; index < size; index++) sum += axes[axis * size + index] * white[start + index];
      points[start + axis] = sum;
    }
  }
  return points;
}

function randomMatrix(size: number, random: Random): Float64Array {
  return Float64Array.from({ length: size * size }, () => normal(random));
}

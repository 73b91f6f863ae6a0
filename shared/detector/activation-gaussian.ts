// Gaussians of the penultimate activation, one a class with one covariance for all: how far an activation lies from its class.
import { assertShape } from '../assert.ts';
import type { SequentialTest } from '../contracts/detector-artefact.ts';
import { GuardError } from '../errors.ts';
import { argmax } from '../maths/nccr-vector.ts';
import { fromBase64, toBase64 } from './mlp.ts';

/** Share of the covariance that is replaced by a sphere of the same size, so that few samples give a covariance of full rank. */
const shrinkage = 0.1;

/** Means of the classes and what whitens a difference from them. */
export interface ActivationGaussian {
  readonly classes: number;
  readonly neurons: number;
  /** Row-major [classes, neurons]. */
  readonly means: Float32Array;
  /** Lower triangle, row-major [neurons, neurons]: the inverse of the covariance's Cholesky factor. */
  readonly whitening: Float32Array;
}

/** Activations with the labels that the model gives their inputs. */
export interface LabelledActivations {
  /** Row-major [count, neurons], finite. */
  readonly activations: Float32Array;
  /** [count], each 0 to classes - 1. */
  readonly labels: Int32Array;
  readonly classes: number;
}

/**
 * Fits the Gaussians; a class without samples gets the mean of all.
 * @throws GuardError `invalid_dataset` where there are fewer samples than two a class
 * @see Lee, Lee, Lee and Shin (2018), equation 1
 */
export function fitActivationGaussian({
  activations,
  labels,
  classes,
}: LabelledActivations): ActivationGaussian {
  const count = labels.length;
  requireActivations(count, classes);
  const neurons = activations.length / count;
  assertShape(activations, [count, neurons], 'activations');
  const means = classMeans({ activations, labels, classes }, neurons);
  const covariance = new Float64Array(neurons * neurons);
  const centred = new Float64Array(neurons);
  for (let row = 0; row < count; row++) {
    for (let index = 0; index < neurons; index++) {
      centred[index] = activations[row * neurons + index] - means[labels[row] * neurons + index];
    }
    for (let left = 0; left < neurons; left++) {
      for (let right = 0; right <= left; right++) {
        covariance[left * neurons + right] += (centred[left] * centred[right]) / count;
      }
    }
  }
  let trace = 0;
  for (let index = 0; index < neurons; index++) trace += covariance[index * (neurons + 1)];
  // A constant activation has no size of its own: the sphere is then of size 1.
  const sphere = (shrinkage * trace) / neurons || 1;
  for (let index = 0; index < covariance.length; index++) covariance[index] *= 1 - shrinkage;
  for (let index = 0; index < neurons; index++) covariance[index * (neurons + 1)] += sphere;
  return { classes, neurons, means, whitening: inverseOfFactor(covariance, neurons) };
}

/**
 * Refuses to fit Gaussians to too few samples.
 * @throws GuardError `invalid_dataset` where there are fewer than two a class
 */
export function requireActivations(count: number, classes: number): void {
  const needed = 2 * classes;
  if (count >= needed) return;
  const detail = `the activations of ${classes} classes need at least ${needed} clean inputs, there are ${count}`;
  throw new GuardError('invalid_dataset', detail);
}

/**
 * Mahalanobis distances, squared, of an activation from the class that the logits name and from the nearest other.
 * @param logits [classes] of the input
 * @param activations [neurons] of the input
 */
export function activationDistances(
  { classes, neurons, means, whitening }: ActivationGaussian,
  logits: Float32Array,
  activations: ArrayLike<number>,
): { own: number; other: number } {
  assertShape(logits, [classes], 'logits');
  assertShape(activations, [neurons], 'activations');
  const label = argmax(logits);
  let [own, other] = [0, Number.POSITIVE_INFINITY];
  const white = whitened({ neurons, whitening }, activations);
  for (let named = 0; named < classes; named++) {
    const centre = whitened({ neurons, whitening }, means.subarray(named * neurons, (named + 1) * neurons));
    let distance = 0;
    for (let index = 0; index < neurons; index++) distance += (white[index] - centre[index]) ** 2;
    if (named === label) own = distance;
    else other = Math.min(other, distance);
  }
  return { own, other };
}

/**
 * Unpacks the Gaussians of an artefact.
 * @throws GuardError `invalid_artefact` where sizes do not fit each other
 */
export function unpackGaussian(
  { neurons, means, whitening }: SequentialTest['activations'],
  classes: number,
): ActivationGaussian {
  const unpacked = { classes, neurons, means: fromBase64(means), whitening: fromBase64(whitening) };
  if (unpacked.means.length !== classes * neurons || unpacked.whitening.length !== neurons ** 2) {
    throw new GuardError('invalid_artefact', 'the statistics of the activations do not have their sizes');
  }
  return unpacked;
}

/** Packs the Gaussians for an artefact. */
export function packGaussian({
  neurons,
  means,
  whitening,
}: ActivationGaussian): SequentialTest['activations'] {
  return { neurons, means: toBase64(means), whitening: toBase64(whitening) };
}

function classMeans({ activations, labels, classes }: LabelledActivations, neurons: number): Float32Array {
  const sums = new Float64Array(classes * neurons);
  const all = new Float64Array(neurons);
  const counts = new Float64Array(classes);
  for (const [row, label] of labels.entries()) {
    counts[label]++;
    for (let index = 0; index < neurons; index++) {
      const value = activations[row * neurons + index];
      sums[label * neurons + index] += value;
      all[index] += value / labels.length;
    }
  }
  return Float32Array.from(sums, (sum, index) => {
    const label = Math.floor(index / neurons);
    return counts[label] === 0 ? all[index % neurons] : sum / counts[label];
  });
}

/** The inverse of L where the matrix is L L^T, by columns of forward substitution. */
function inverseOfFactor(matrix: Float64Array, size: number): Float32Array {
  const factor = new Float64Array(size * size);
  for (let row = 0; row < size; row++) {
    for (let column = 0; column <= row; column++) {
      let sum = matrix[row * size + column];
      for (let index = 0; index < column; index++)
        sum -= factor[row * size + index] * factor[column * size + index];
      factor[row * size + column] = row === column ? Math.sqrt(sum) : sum / factor[column * size + column];
    }
  }
  const inverse = new Float32Array(size * size);
  const solved = new Float64Array(size);
  for (let column = 0; column < size; column++) {
    for (let row = column; row < size; row++) {
      let sum = row === column ? 1 : 0;
      for (let index = column; index < row; index++) sum -= factor[row * size + index] * solved[index];
      solved[row] = sum / factor[row * size + row];
      inverse[row * size + column] = solved[row];
    }
  }
  return inverse;
}

function whitened(
  { neurons, whitening }: Pick<ActivationGaussian, 'neurons' | 'whitening'>,
  values: ArrayLike<number>,
): Float64Array {
  const result = new Float64Array(neurons);
  for (let row = 0; row < neurons; row++) {
    let sum = 0;
    for (let column = 0; column <= row; column++) sum += whitening[row * neurons + column] * values[column];
    result[row] = sum;
  }
  return result;
}

// A linear softmax classifier on activations: what a layer knows of the label.
import { assert, assertShape } from '../../shared/assert.ts';
import { adamW } from '../../shared/maths/adam-w.ts';
import { permutation, seededRandom } from '../../shared/maths/random.ts';
import { softmax } from './softmax.ts';

/** Activations with their labels. */
export interface LabelledActivations {
  /** Row-major [rows, width], finite. */
  readonly activations: Float32Array;
  readonly width: number;
  /** [rows], each in 0..classes-1. */
  readonly labels: ArrayLike<number>;
  readonly classes: number;
}

/** Schedule of the training. */
export interface HeadTraining {
  readonly seed: number;
  readonly epochs?: number;
  readonly batch?: number;
  readonly learningRate?: number;
  readonly weightDecay?: number;
}

/** A trained head. */
export interface LinearHead {
  readonly width: number;
  readonly classes: number;
  /** [classes, width], row-major, on standardised activations. */
  readonly weights: Float64Array;
  readonly biases: Float64Array;
  /** [width] */
  readonly mean: Float64Array;
  readonly deviation: Float64Array;
}

/**
 * Trains a head on the cross-entropy by Adam with decoupled weight decay, its rate falling to 0.
 * @param samples at least one row
 * @throws Error where a shape is wrong
 * @see Loshchilov and Hutter, "Decoupled weight decay regularization" (2019), algorithm 2
 */
export function trainLinearHead(samples: LabelledActivations, training: HeadTraining): LinearHead {
  const { activations, width, labels, classes } = samples;
  const rows = labels.length;
  assertShape(activations, [rows, width], 'activations');
  assert(rows > 0, 'a head needs a row to learn from');
  const isClass = (label: number) => Number.isInteger(label) && label >= 0 && label < classes;
  assert(Array.from(labels).every(isClass), `a label is none of ${classes} classes`);
  const { seed, epochs = 15, batch = 32, learningRate = 1e-3, weightDecay = 1e-2 } = training;
  const head = newHead(samples);
  const random = seededRandom(seed);
  const parameters = [head.weights, head.biases];
  const gradients = parameters.map(({ length }) => new Float64Array(length));
  const moments = parameters.map(({ length }) => ({
    first: new Float64Array(length),
    second: new Float64Array(length),
  }));
  const steps = epochs * Math.ceil(rows / batch);
  const inputs = Float64Array.from(activations, (value, index) => scaled(head, value, index % width));
  for (let step = 0; step < steps; ) {
    const order = permutation(rows, random);
    for (let start = 0; start < rows; start += batch, step++) {
      const drawn = order.subarray(start, start + batch);
      for (const row of drawn) {
        const input = inputs.subarray(row * width, (row + 1) * width);
        accumulate(head, gradients, { input, label: labels[row], weight: 1 / drawn.length });
      }
      const rate = learningRate * (1 - step / steps);
      for (const [index, values] of parameters.entries()) {
        adamW(values, gradients[index], moments[index], { step, rate, weightDecay });
        gradients[index].fill(0);
      }
    }
  }
  return head;
}

/**
 * Class probabilities by a head.
 * @param activation [width]
 * @returns [classes], summing to 1
 */
export function headProbabilities(head: LinearHead, activation: Float32Array): Float64Array {
  assertShape(activation, [head.width], 'activation');
  return probabilities(
    head,
    Float64Array.from(activation, (value, index) => scaled(head, value, index)),
  );
}

function newHead({ activations, width, labels, classes }: LabelledActivations): LinearHead {
  const rows = labels.length;
  const mean = new Float64Array(width);
  const deviation = new Float64Array(width);
  for (let index = 0; index < activations.length; index++) mean[index % width] += activations[index] / rows;
  for (let index = 0; index < activations.length; index++) {
    deviation[index % width] += (activations[index] - mean[index % width]) ** 2 / rows;
  }
  return {
    width,
    classes,
    weights: new Float64Array(classes * width),
    biases: new Float64Array(classes),
    mean,
    // An activation that never moves in training says nothing, whatever it does later.
    deviation: deviation.map((variance) =>
      variance > 1e-12 ? Math.sqrt(variance) : Number.POSITIVE_INFINITY,
    ),
  };
}

function scaled({ mean, deviation }: LinearHead, value: number, index: number): number {
  return (value - mean[index]) / deviation[index];
}

function probabilities({ width, classes, weights, biases }: LinearHead, input: Float64Array): Float64Array {
  const logits = biases.slice();
  for (let label = 0; label < classes; label++) {
    for (let index = 0; index < width; index++)
      logits[label] += weights[label * width + index] * input[index];
  }
  return softmax(logits);
}

/** Adds the gradient of one row's cross-entropy. */
function accumulate(
  head: LinearHead,
  [weights, biases]: readonly Float64Array[],
  { input, label, weight }: { input: Float64Array; label: number; weight: number },
): void {
  const slopes = probabilities(head, input);
  slopes[label] -= 1;
  for (const [output, slope] of slopes.entries()) {
    biases[output] += weight * slope;
    for (let index = 0; index < head.width; index++) {
      weights[output * head.width + index] += weight * slope * input[index];
    }
  }
}

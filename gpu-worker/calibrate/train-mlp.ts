// Trains the detector's perceptron: AdamW on a cross-entropy that is balanced between the two classes.
import { assert, assertShape } from '../../shared/assert.ts';
import type { Mlp } from '../../shared/detector/mlp.ts';
import { type AdamMoments, adamW } from '../../shared/maths/adam-w.ts';
import { normal, type Random, seededRandom } from '../../shared/maths/random.ts';
import { addBatchGradient, type TrainedLayer } from './mlp-batch.ts';

/** Vectors with their classes. */
export interface LabelledVectors {
  /** Row-major [count, length], finite. */
  readonly vectors: Float64Array;
  readonly length: number;
  /** [count]: 1 adversarial, 0 clean. */
  readonly adversarial: Uint8Array;
  /** [count], at least 0: what a row counts in the loss; without them both classes have the same mass. */
  readonly weights?: Float64Array;
}

/** Sizes and schedule. The defaults are those of docs/paper.md. */
export interface TrainingOptions {
  /** Widths of the hidden layers. */
  readonly hidden: readonly number[];
  readonly seed: number;
  readonly steps?: number;
  readonly batch?: number;
  readonly learningRate?: number;
  /** Where the learning rate falls to, linearly; 0 where it is not given. */
  readonly learningRateLast?: number;
  readonly weightDecay?: number;
  /** Standardised entries are clipped to ±clip. */
  readonly clip?: number;
  /** Share of the hidden answers that a step leaves out; none where it is not given. */
  readonly dropout?: number;
}

/** A layer with AdamW's moments. */
interface MovingLayer extends TrainedLayer {
  readonly moments: { readonly weights: AdamMoments; readonly biases: AdamMoments };
}

/**
 * Trains a perceptron that tells adversarial from clean vectors.
 * @param samples both classes present
 * @returns layers with float32 weights and the standardisation learnt from the samples
 * @throws Error where a class is missing, a shape is wrong or no row has weight
 * @see NCCR, section 5.1; Loshchilov and Hutter, "Decoupled weight decay regularization" (2019), algorithm 2
 */
export function trainMlp(samples: LabelledVectors, options: TrainingOptions): Mlp {
  const { vectors, length, adversarial } = samples;
  assertShape(vectors, [adversarial.length, length], 'vectors');
  const { steps = 1500, batch = 64, learningRate = 5e-3, learningRateLast = 0 } = options;
  const { weightDecay = 1e-3, clip = 8, dropout = 0 } = options;
  const random = seededRandom(options.seed);
  const { mean, deviation } = standardisation(vectors, length);
  const standardised = vectors.map((value, index) => {
    const scaled = (value - mean[index % length]) / deviation[index % length];
    return Math.min(clip, Math.max(-clip, scaled));
  });
  const rowWeights = samples.weights === undefined ? balance(adversarial) : withMeanOne(samples.weights);
  const widths = [length, ...options.hidden, 2];
  const layers = widths
    .slice(1)
    .map((outputs, index) => makeLayer({ inputs: widths[index], outputs, batch }, random));
  const drawn = {
    inputs: new Float64Array(batch * length),
    labels: new Uint8Array(batch),
    weights: new Float64Array(batch),
  };
  for (let step = 0; step < steps; step++) {
    let count = 0;
    for (let sample = 0; sample < batch; sample++) {
      const row = Math.floor(random() * adversarial.length);
      if (rowWeights[row] === 0) continue;
      drawn.inputs.set(standardised.subarray(row * length, (row + 1) * length), count * length);
      drawn.labels[count] = adversarial[row];
      drawn.weights[count] = rowWeights[row] / batch;
      count++;
    }
    addBatchGradient(layers, {
      ...drawn,
      count,
      ...(dropout > 0 && { dropout: { share: dropout, random } }),
    });
    const rate = learningRate + (learningRateLast - learningRate) * (step / steps);
    update(layers, { step, rate, weightDecay });
  }
  const trained = layers.map(({ inputs, outputs, weights, biases }) => ({
    inputs,
    outputs,
    weights,
    biases,
  }));
  return { layers: trained, mean, deviation, clip };
}

/** Mean and standard deviation of each entry; a constant entry gets deviation 1. Rounded to float32, as they are stored. */
function standardisation(vectors: Float64Array, length: number): { mean: number[]; deviation: number[] } {
  const count = vectors.length / length;
  const mean = new Float64Array(length);
  const square = new Float64Array(length);
  for (let index = 0; index < vectors.length; index++) mean[index % length] += vectors[index] / count;
  for (let index = 0; index < vectors.length; index++) {
    square[index % length] += (vectors[index] - mean[index % length]) ** 2 / count;
  }
  const deviation = Array.from(square, (variance) => Math.fround(Math.sqrt(variance)));
  return {
    mean: Array.from(mean, Math.fround),
    deviation: deviation.map((value) => (value > 1e-6 ? value : 1)),
  };
}

/** Weights of the rows by which both classes have the same mass. */
function balance(adversarial: Uint8Array): Float64Array {
  const positives = adversarial.reduce((sum, label) => sum + label, 0);
  assert(positives > 0 && positives < adversarial.length, 'training needs clean and adversarial vectors');
  return withMeanOne(
    Float64Array.from(adversarial, (label) =>
      label === 1 ? 1 / positives : 1 / (adversarial.length - positives),
    ),
  );
}

/** Weights with a mean of 1, so that the learning rate means the same for any of them. */
function withMeanOne(weights: Float64Array): Float64Array {
  const mean = weights.reduce((sum, weight) => sum + weight, 0) / weights.length;
  assert(mean > 0 && Number.isFinite(mean), 'training needs weights above 0');
  return weights.map((weight) => weight / mean);
}

/** He's initialisation for ReLU layers (He et al. 2015). */
function makeLayer(
  { inputs, outputs, batch }: { inputs: number; outputs: number; batch: number },
  random: Random,
): MovingLayer {
  const scale = Math.sqrt(2 / inputs);
  const moments = (count: number) => ({ first: new Float64Array(count), second: new Float64Array(count) });
  const layer = {
    inputs,
    outputs,
    weights: Float32Array.from({ length: inputs * outputs }, () => scale * normal(random)),
    biases: new Float32Array(outputs),
    moments: { weights: moments(inputs * outputs), biases: moments(outputs) },
    gradients: { weights: new Float64Array(inputs * outputs), biases: new Float64Array(outputs) },
    rows: new Float64Array(inputs * outputs),
    columns: new Float64Array(inputs * outputs),
    answers: new Float64Array(batch * outputs),
    slopes: new Float64Array(batch * outputs),
  };
  copyWeights(layer);
  return layer;
}

function copyWeights({ inputs, outputs, weights, rows, columns }: TrainedLayer): void {
  rows.set(weights);
  for (let output = 0; output < outputs; output++) {
    for (let input = 0; input < inputs; input++)
      columns[input * outputs + output] = weights[output * inputs + input];
  }
}

function update(
  layers: readonly MovingLayer[],
  { step, rate, weightDecay }: { step: number; rate: number; weightDecay: number },
): void {
  for (const layer of layers) {
    const { weights, biases, gradients, moments } = layer;
    adamW(weights, gradients.weights, moments.weights, { step, rate, weightDecay });
    adamW(biases, gradients.biases, moments.biases, { step, rate, weightDecay });
    gradients.weights.fill(0);
    gradients.biases.fill(0);
    copyWeights(layer);
  }
}

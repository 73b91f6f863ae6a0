// Trains the detector's perceptron: AdamW on a cross-entropy that is balanced between the two classes.
import { assert, assertShape } from '../../shared/assert.ts';
import type { Layer, Mlp } from '../../shared/detector/mlp.ts';
import { adamW } from '../../shared/maths/adam-w.ts';
import { normal, type Random, seededRandom } from '../../shared/maths/random.ts';

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
}

interface TrainedLayer extends Layer {
  readonly moments: { readonly weights: Moments; readonly biases: Moments };
  /** The weights column by column, [inputs, outputs]: how the forward pass reads them. */
  readonly columns: Float64Array;
  /** What the layer answered to the sample at hand, [outputs], and the loss's derivative by it. */
  readonly answer: Float64Array;
  readonly slopes: Float64Array;
}

interface Moments {
  readonly gradient: Float64Array;
  readonly first: Float64Array;
  readonly second: Float64Array;
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
  const { weightDecay = 1e-3, clip = 8 } = options;
  const random = seededRandom(options.seed);
  const { mean, deviation } = standardisation(vectors, length);
  const standardised = vectors.map((value, index) => {
    const scaled = (value - mean[index % length]) / deviation[index % length];
    return Math.min(clip, Math.max(-clip, scaled));
  });
  const rowWeights = samples.weights === undefined ? balance(adversarial) : withMeanOne(samples.weights);
  const widths = [length, ...options.hidden, 2];
  const layers = widths.slice(1).map((outputs, index) => makeLayer(widths[index], outputs, random));
  for (let step = 0; step < steps; step++) {
    for (let sample = 0; sample < batch; sample++) {
      const row = Math.floor(random() * adversarial.length);
      if (rowWeights[row] === 0) continue;
      const input = standardised.subarray(row * length, (row + 1) * length);
      accumulate(layers, input, { label: adversarial[row], weight: rowWeights[row] / batch });
    }
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
function makeLayer(inputs: number, outputs: number, random: Random): TrainedLayer {
  const scale = Math.sqrt(2 / inputs);
  const moments = (count: number): Moments => ({
    gradient: new Float64Array(count),
    first: new Float64Array(count),
    second: new Float64Array(count),
  });
  const layer = {
    inputs,
    outputs,
    weights: Float32Array.from({ length: inputs * outputs }, () => scale * normal(random)),
    biases: new Float32Array(outputs),
    moments: { weights: moments(inputs * outputs), biases: moments(outputs) },
    columns: new Float64Array(inputs * outputs),
    answer: new Float64Array(outputs),
    slopes: new Float64Array(outputs),
  };
  fillColumns(layer);
  return layer;
}

function fillColumns({ inputs, outputs, weights, columns }: TrainedLayer): void {
  for (let output = 0; output < outputs; output++) {
    for (let input = 0; input < inputs; input++)
      columns[input * outputs + output] = weights[output * inputs + input];
  }
}

/**
 * Adds one sample's gradient of the weighted cross-entropy to every layer. Everything is done in place and in the order of
 * the detector's own forward pass, to the same bits: a calibration spends its time here.
 */
function accumulate(
  layers: readonly TrainedLayer[],
  input: Float64Array,
  { label, weight }: { label: number; weight: number },
): void {
  const last = layers.length - 1;
  let values = input;
  for (const [index, layer] of layers.entries()) {
    forward(layer, values, index < last);
    values = layer.answer;
  }
  const { answer, slopes } = layers[last];
  const probability = 1 / (1 + Math.exp(answer[0] - answer[1]));
  slopes[1] = weight * (probability - label);
  slopes[0] = -slopes[1];
  for (let index = last; index >= 0; index--) {
    const below = index === 0 ? undefined : layers[index - 1];
    backward(layers[index], below?.answer ?? input, below?.slopes);
  }
}

/** An input's share of every output at a time, so that no sum waits for the one before; inputs of 0 have none. */
function forward(
  { inputs, outputs, columns, biases, answer }: TrainedLayer,
  values: Float64Array,
  relu: boolean,
): void {
  for (let output = 0; output < outputs; output++) answer[output] = biases[output];
  for (let input = 0; input < inputs; input++) {
    const value = values[input];
    if (value === 0) continue;
    const first = input * outputs;
    for (let output = 0; output < outputs; output++) answer[output] += columns[first + output] * value;
  }
  if (!relu) return;
  for (let output = 0; output < outputs; output++) if (answer[output] < 0) answer[output] = 0;
}

/**
 * Adds the gradients of weights and biases.
 * @param below where the derivative by the layer's input goes, zero where its ReLU was shut; not for the first layer
 */
function backward(
  { inputs, outputs, weights, moments, slopes }: TrainedLayer,
  values: Float64Array,
  below: Float64Array | undefined,
): void {
  const { gradient } = moments.weights;
  below?.fill(0);
  for (let output = 0; output < outputs; output++) {
    const slope = slopes[output];
    if (slope === 0) continue;
    moments.biases.gradient[output] += slope;
    const first = output * inputs;
    for (let input = 0; input < inputs; input++) gradient[first + input] += slope * values[input];
    if (below === undefined) continue;
    for (let input = 0; input < inputs; input++)
      if (values[input] > 0) below[input] += slope * weights[first + input];
  }
}

function update(
  layers: readonly TrainedLayer[],
  { step, rate, weightDecay }: { step: number; rate: number; weightDecay: number },
): void {
  for (const layer of layers) {
    const { weights, biases, moments } = layer;
    adamW(weights, moments.weights.gradient, moments.weights, { step, rate, weightDecay });
    adamW(biases, moments.biases.gradient, moments.biases, { step, rate, weightDecay });
    moments.weights.gradient.fill(0);
    moments.biases.gradient.fill(0);
    fillColumns(layer);
  }
}

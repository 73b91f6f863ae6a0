// One batch through a perceptron and back: the gradient of the weighted cross-entropy by every weight.
import type { Layer } from '../../shared/detector/mlp.ts';
import type { Random } from '../../shared/maths/random.ts';

/** A layer that is being trained, with what a batch leaves in it. */
export interface TrainedLayer extends Layer {
  readonly gradients: { readonly weights: Float64Array; readonly biases: Float64Array };
  /** The weights row by row, [outputs, inputs], as numbers that need no widening. */
  readonly rows: Float64Array;
  /** The weights column by column, [inputs, outputs]: how the forward pass reads them. */
  readonly columns: Float64Array;
  /** What the layer answered to each sample, [batch, outputs], and the loss's derivative by it. */
  readonly answers: Float64Array;
  readonly slopes: Float64Array;
}

/** Samples of a batch. */
export interface TrainedBatch {
  /** Row-major [count, inputs of the first layer]. */
  readonly inputs: Float64Array;
  /** [count]: 1 adversarial, 0 clean. */
  readonly labels: Uint8Array;
  /** [count]: what a sample counts in the loss. */
  readonly weights: Float64Array;
  readonly count: number;
  /** Share of the hidden answers that are left out, the others enlarged to make up for them (Srivastava et al. 2014). */
  readonly dropout?: { readonly share: number; readonly random: Random };
}

/**
 * Adds the gradient of a batch to every layer. A calibration spends its time here: sums are taken four terms at a time, so
 * that what they are added to is read and written a quarter as often, and terms of 0 are left out. Every sum has the order
 * of the plain one, sample by sample and entry by entry, and with it its bits.
 */
export function addBatchGradient(layers: readonly TrainedLayer[], batch: TrainedBatch): void {
  const { inputs, labels, weights, count, dropout } = batch;
  const last = layers.length - 1;
  for (const [index, layer] of layers.entries()) {
    forward(layer, index === 0 ? inputs : layers[index - 1].answers, { count, relu: index < last });
    if (dropout !== undefined && index < last) leaveOut(layer, count, dropout);
  }
  const { answers, slopes } = layers[last];
  for (let sample = 0; sample < count; sample++) {
    const probability = 1 / (1 + Math.exp(answers[2 * sample] - answers[2 * sample + 1]));
    slopes[2 * sample + 1] = weights[sample] * (probability - labels[sample]);
    slopes[2 * sample] = -slopes[2 * sample + 1];
  }
  for (let index = last; index >= 0; index--) {
    const values = index === 0 ? inputs : layers[index - 1].answers;
    addGradients(layers[index], values, count);
    if (index > 0) backward(layers[index], layers[index - 1], { count, kept: 1 - (dropout?.share ?? 0) });
  }
}

/** The layer's answers: an input's share of every output at a time; inputs of 0 have none. */
function forward(
  { inputs, outputs, columns, biases, answers }: TrainedLayer,
  values: Float64Array,
  { count, relu }: { count: number; relu: boolean },
): void {
  const answer = new Float64Array(outputs);
  const picked = new Int32Array(inputs);
  for (let sample = 0; sample < count; sample++) {
    const first = sample * inputs;
    let kept = 0;
    for (let input = 0; input < inputs; input++) if (values[first + input] !== 0) picked[kept++] = input;
    answer.set(biases);
    addProducts(answer, { terms: columns, factors: values, picked, kept, firstFactor: first, stride: 1 });
    const to = sample * outputs;
    for (let output = 0; output < outputs; output++) {
      const value = answer[output];
      answers[to + output] = relu && value < 0 ? 0 : value;
    }
  }
}

/** Sets a share of the answers to 0; an answer of 0 passes no gradient either. */
function leaveOut(
  { outputs, answers }: TrainedLayer,
  count: number,
  { share, random }: NonNullable<TrainedBatch['dropout']>,
): void {
  for (let index = 0; index < count * outputs; index++) {
    answers[index] = random() < share ? 0 : answers[index] / (1 - share);
  }
}

/** The loss's derivative by the answers of the layer below: 0 where its ReLU was shut. */
function backward(
  { inputs, outputs, rows, slopes }: TrainedLayer,
  below: TrainedLayer,
  { count, kept: share }: { count: number; kept: number },
): void {
  const sum = new Float64Array(inputs);
  const picked = new Int32Array(outputs);
  for (let sample = 0; sample < count; sample++) {
    const first = sample * outputs;
    let kept = 0;
    for (let output = 0; output < outputs; output++)
      if (slopes[first + output] !== 0) picked[kept++] = output;
    sum.fill(0);
    addProducts(sum, { terms: rows, factors: slopes, picked, kept, firstFactor: first, stride: 1 });
    const to = sample * inputs;
    for (let input = 0; input < inputs; input++) {
      below.slopes[to + input] = below.answers[to + input] > 0 ? sum[input] / share : 0;
    }
  }
}

/** Adds the gradients of weights and biases, output by output over the samples that have a slope there. */
function addGradients(
  { inputs, outputs, gradients, slopes }: TrainedLayer,
  values: Float64Array,
  count: number,
): void {
  const picked = new Int32Array(count);
  for (let output = 0; output < outputs; output++) {
    let kept = 0;
    let bias = gradients.biases[output];
    for (let sample = 0; sample < count; sample++) {
      const slope = slopes[sample * outputs + output];
      if (slope === 0) continue;
      picked[kept++] = sample;
      bias += slope;
    }
    gradients.biases[output] = bias;
    const sum = gradients.weights.subarray(output * inputs, (output + 1) * inputs);
    addProducts(sum, {
      terms: values,
      factors: slopes,
      picked,
      kept,
      firstFactor: output,
      stride: outputs,
    });
  }
}

/** Adds to a sum [length], for each index that was picked, `factors[firstFactor + index * stride]` times the row `index` of the terms [..., length]. */
function addProducts(
  sum: Float64Array,
  {
    terms,
    factors,
    picked,
    kept,
    firstFactor,
    stride,
  }: {
    terms: Float64Array;
    factors: Float64Array;
    picked: Int32Array;
    kept: number;
    firstFactor: number;
    stride: number;
  },
): void {
  const { length } = sum;
  let pick = 0;
  for (; pick + 4 <= kept; pick += 4) {
    const [i, j, k, l] = [picked[pick], picked[pick + 1], picked[pick + 2], picked[pick + 3]];
    const a = factors[firstFactor + i * stride];
    const b = factors[firstFactor + j * stride];
    const c = factors[firstFactor + k * stride];
    const d = factors[firstFactor + l * stride];
    const [iFirst, jFirst, kFirst, lFirst] = [i * length, j * length, k * length, l * length];
    for (let entry = 0; entry < length; entry++) {
      sum[entry] =
        sum[entry] +
        a * terms[iFirst + entry] +
        b * terms[jFirst + entry] +
        c * terms[kFirst + entry] +
        d * terms[lFirst + entry];
    }
  }
  for (; pick < kept; pick++) {
    const factor = factors[firstFactor + picked[pick] * stride];
    const first = picked[pick] * length;
    for (let entry = 0; entry < length; entry++) sum[entry] += factor * terms[first + entry];
  }
}

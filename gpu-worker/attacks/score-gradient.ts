// A detector's score of one input as a function of the logits, with its gradient: what an attack on the detector follows.
import { assertShape } from '../../shared/assert.ts';
import { designReads, type VectorDesign, vectorRanksMax } from '../../shared/contracts/detector-artefact.ts';
import { planNoiseCopies } from '../../shared/contracts/extraction.ts';
import type { Layer, Mlp } from '../../shared/detector/mlp.ts';
import { GuardError } from '../../shared/errors.ts';
import { argmax } from '../../shared/maths/nccr-vector.ts';
import { type PlanLogits, planVector } from '../../shared/maths/plan-vector.ts';
import { runnerUp } from './attack.ts';

/** A score and where it comes from. */
export interface ScoreGradient {
  readonly score: number;
  /** Row-major [planCopies(plan) + 1, classes]: derivative of the score by each logit. */
  readonly gradient: Float64Array;
}

/** What the vectors add to their denominators and logarithms; the tests hold them to the vectors' own definition. */
const gapFloor = 0.01;
const marginFloor = 0.05;
const changeFloor = 1e-4;

/**
 * The score that a detector gives an input, and its derivative by the logits of the input and of its copies.
 *
 * The clip of the standardised entries passes its gradient straight through (BPDA): at the clip the true one is 0 and
 * would hide the way out. The share of flipped labels in a `strict` vector is constant almost everywhere and has none.
 * @param logits [planCopies(plan) + 1, classes], finite
 * @throws GuardError `invalid_artefact` where the design reads neurons or layers: what they follow from is not the logits; Error where
 *   the logits do not have the plan's shape
 * @see Athalye, Carlini and Wagner, "Obfuscated gradients give a false sense of security" (2018), section 4.1
 */
export function scoreGradient(logits: PlanLogits, design: VectorDesign, mlp: Mlp): ScoreGradient {
  const { neurons, levels } = designReads[design];
  if (neurons || levels) {
    throw new GuardError(
      'invalid_artefact',
      `the score of a ${design} vector has no gradient by the logits alone`,
    );
  }
  const vector = planVector(logits, design);
  const { score, gradient: byVector } = mlpGradient(mlp, vector);
  const gradient = new Float64Array(logits.logits.length);
  const noise = planNoiseCopies(logits.plan);
  const { length: transforms } = logits.plan.transforms;
  const read = { ...logits, gradient };
  switch (design) {
    case 'rank-gaps':
    case 'strict':
      addRankGaps(read, { first: 1, count: noise }, byVector);
      break;
    case 'margin-changes':
      addMarginChanges(read, { first: noise + 1, count: transforms }, byVector);
      break;
    case 'margin-changes+rank-gaps':
      addMarginChanges(read, { first: noise + 1, count: transforms }, byVector);
      addRankGaps(read, { first: 1, count: noise }, byVector.subarray(3 * transforms));
  }
  return { score, gradient };
}

/** Derivative of the score by the vector, by one pass forward and one back. */
function mlpGradient(mlp: Mlp, vector: Float64Array): { score: number; gradient: Float64Array } {
  assertShape(vector, [mlp.mean.length], 'vector');
  let values = vector.map((value, index) => {
    const standardised = (value - mlp.mean[index]) / mlp.deviation[index];
    return Math.min(mlp.clip, Math.max(-mlp.clip, standardised));
  });
  const seen: Float64Array[] = [];
  for (const [index, layer] of mlp.layers.entries()) {
    const last = index === mlp.layers.length - 1;
    values = forward(layer, values).map((value) => (last ? value : Math.max(0, value)));
    seen.push(values);
  }
  let gradient = Float64Array.of(-1, 1);
  for (let index = mlp.layers.length - 1; index >= 0; index--) {
    const { inputs, outputs, weights } = mlp.layers[index];
    const before = new Float64Array(inputs);
    for (let output = 0; output < outputs; output++) {
      for (let input = 0; input < inputs; input++)
        before[input] += gradient[output] * weights[output * inputs + input];
    }
    gradient = index === 0 ? before : before.map((value, input) => (seen[index - 1][input] > 0 ? value : 0));
  }
  return { score: values[1] - values[0], gradient: gradient.map((value, at) => value / mlp.deviation[at]) };
}

function forward({ inputs, outputs, weights, biases }: Layer, values: Float64Array): Float64Array {
  return Float64Array.from({ length: outputs }, (_, output) => {
    let sum = biases[output];
    for (let input = 0; input < inputs; input++) sum += weights[output * inputs + input] * values[input];
    return sum;
  });
}

/** Logits that are read and the derivatives that are added to, both [copies + 1, classes]. */
interface Read {
  readonly logits: Float32Array;
  readonly gradient: Float64Array;
  readonly classes: number;
}

/** Rows of the copies that a vector reads. */
interface CopyRows {
  readonly first: number;
  readonly count: number;
}

/** Chain rule through `nccrVector`; entries past the gaps are those of `strict`. */
function addRankGaps(
  { logits, gradient, classes }: Read,
  { first, count }: CopyRows,
  byVector: Float64Array,
): void {
  const input = logits.subarray(0, classes);
  const ranks = Array.from(input.keys()).sort((left, right) => input[right] - input[left] || left - right);
  const [top, ...others] = ranks.slice(0, vectorRanksMax);
  for (const [index, other] of others.entries()) {
    const gap = input[top] - input[other];
    const wide = gap + gapFloor;
    const changes = Array.from({ length: count }, (_, copy) => {
      const row = (first + copy) * classes;
      return logits[row + top] - logits[row + other] - gap;
    });
    const absolute = changes.reduce((sum, change) => sum + Math.abs(change), 0) / count;
    const signed = changes.reduce((sum, change) => sum + change, 0) / count;
    const byRelative = byVector[index] / (absolute / wide + changeFloor);
    const byStrict = byVector.length > others.length ? byVector[others.length + index] : 0;
    const bySigned = byStrict / Math.hypot(1, signed / wide);
    // The gap stands in both denominators and, negative, in every change.
    let byGap = (-byRelative * absolute - bySigned * signed) / wide ** 2;
    for (const [copy, change] of changes.entries()) {
      const byChange = (byRelative * Math.sign(change) + bySigned) / (wide * count);
      byGap -= byChange;
      gradient[(first + copy) * classes + top] += byChange;
      gradient[(first + copy) * classes + other] -= byChange;
    }
    gradient[top] += byGap;
    gradient[other] -= byGap;
  }
}

/** Chain rule through `marginChanges`. */
function addMarginChanges(
  { logits, gradient, classes }: Read,
  { first, count }: CopyRows,
  byVector: Float64Array,
): void {
  const input = logits.subarray(0, classes);
  const label = argmax(input);
  const rival = runnerUp(input, label);
  const margin = input[label] - input[rival];
  const wide = margin + marginFloor;
  const probabilities = softmax(input);
  for (let copy = 0; copy < count; copy++) {
    const start = (first + copy) * classes;
    const row = logits.subarray(start, start + classes);
    const copyRival = runnerUp(row, label);
    const changed = row[label] - row[copyRival];
    const [byRelative, byLogDistance, byMargin] = byVector.subarray(3 * copy, 3 * copy + 3);
    const slope = byRelative / Math.hypot(1, (changed - margin) / wide);
    const byChanged = slope / wide + byMargin / Math.hypot(1, changed);
    const byOwn = (-slope * (changed + marginFloor)) / wide ** 2;
    gradient[start + label] += byChanged;
    gradient[start + copyRival] -= byChanged;
    gradient[label] += byOwn;
    gradient[rival] -= byOwn;
    const moved = softmax(row);
    const differences = moved.map((value, index) => value - probabilities[index]);
    const distance = differences.reduce((sum, value) => sum + Math.abs(value), 0);
    const signs = differences.map((value) => (Math.sign(value) * byLogDistance) / (distance + changeFloor));
    addSoftmax(gradient.subarray(start, start + classes), moved, signs);
    addSoftmax(
      gradient.subarray(0, classes),
      probabilities,
      signs.map((value) => -value),
    );
  }
}

/** Adds the derivative by the logits of `sum over j of weight_j p_j`. */
function addSoftmax(gradient: Float64Array, probabilities: Float64Array, weights: Float64Array): void {
  const mean = weights.reduce((sum, weight, index) => sum + weight * probabilities[index], 0);
  for (const [index, probability] of probabilities.entries())
    gradient[index] += probability * (weights[index] - mean);
}

function softmax(logits: Float32Array): Float64Array {
  const highest = logits[argmax(logits)];
  const powers = Float64Array.from(logits, (value) => Math.exp(value - highest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

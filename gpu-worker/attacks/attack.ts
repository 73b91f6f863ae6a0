// The shape that every attack has: inputs with their labels in, examples that the model really gets wrong out.
import { argmax } from '../../shared/maths/nccr-vector.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import type { AttackTarget } from './attack-target.ts';

/** Inputs to attack. */
export interface AttackInputs {
  /** Row-major [rows, ...inputShape], each in the target's range. */
  readonly inputs: Float32Array;
  /** [rows]: the true labels. */
  readonly labels: ArrayLike<number>;
}

/** What an attack found. */
export interface AttackExamples {
  /** Row-major [rows, ...inputShape]; rows without success hold the last try. */
  readonly inputs: Float32Array;
  /** [rows]: 1 where the model gives the example another label than the true one. */
  readonly success: Uint8Array;
  /** [rows]: largest change of one element, in units of the input; 0 where there is no success. */
  readonly epsilon: Float32Array;
  /** [rows]: l2 norm of the change, in units of the input; 0 where there is no success. */
  readonly l2: Float32Array;
}

/** Called after each part of the work with the share done, in (0, 1]. */
export type Progress = (share: number) => void;

/**
 * Judges tries by the model itself.
 * @param tried row-major [rows, ...inputShape]
 */
export async function judge(
  target: AttackTarget,
  { inputs, labels }: AttackInputs,
  tried: Float32Array,
): Promise<AttackExamples> {
  const rows = labels.length;
  const size = elementCount(target.inputShape);
  const logits = await target.logits(tried);
  const success = new Uint8Array(rows);
  const epsilon = new Float32Array(rows);
  const l2 = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    if (predictedLabel(logits, row, target.classes) === labels[row]) continue;
    success[row] = 1;
    for (let element = row * size; element < (row + 1) * size; element++) {
      const change = Math.abs(tried[element] - inputs[element]);
      epsilon[row] = Math.max(epsilon[row], change);
      l2[row] += change * change;
    }
    l2[row] = Math.sqrt(l2[row]);
    // What is not a number is no example, whatever the model makes of it.
    if (!Number.isFinite(l2[row])) success[row] = epsilon[row] = l2[row] = 0;
  }
  return { inputs: tried, success, epsilon, l2 };
}

/** Label that the model gives row `row` of `logits [rows, classes]`. */
export function predictedLabel(logits: Float32Array, row: number, classes: number): number {
  return argmax(logits.subarray(row * classes, (row + 1) * classes));
}

/** What the logits of one input leave between its label and the best other class; under 0 where the label is wrong. */
export function labelMargin(logits: Float32Array, label: number): number {
  return logits[label] - logits[runnerUp(logits, label)];
}

/** Class of the largest logit but the label's. */
export function runnerUp(logits: Float32Array, label: number): number {
  let best = label === 0 ? 1 : 0;
  for (let index = 0; index < logits.length; index++)
    if (index !== label && logits[index] > logits[best]) best = index;
  return best;
}

/** l2 distance of two inputs. */
export function l2Distance(left: Float32Array, right: Float32Array): number {
  let sum = 0;
  for (let index = 0; index < left.length; index++) sum += (left[index] - right[index]) ** 2;
  return Math.sqrt(sum);
}

/** Value clipped to a range. */
export function clipTo([low, high]: readonly [number, number], value: number): number {
  return Math.min(high, Math.max(low, value));
}

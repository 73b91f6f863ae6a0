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
  for (let row = 0; row < rows; row++) {
    if (predictedLabel(logits, row, target.classes) === labels[row]) continue;
    success[row] = 1;
    for (let element = row * size; element < (row + 1) * size; element++) {
      epsilon[row] = Math.max(epsilon[row], Math.abs(tried[element] - inputs[element]));
    }
  }
  return { inputs: tried, success, epsilon };
}

/** Label that the model gives row `row` of `logits [rows, classes]`. */
export function predictedLabel(logits: Float32Array, row: number, classes: number): number {
  return argmax(logits.subarray(row * classes, (row + 1) * classes));
}

/** Value clipped to a range. */
export function clipTo([low, high]: readonly [number, number], value: number): number {
  return Math.min(high, Math.max(low, value));
}

// The fast gradient sign method, at a fixed epsilon and at the smallest one that succeeds.
import { elementCount } from '../../shared/maths/tensor.ts';
import {
  type AttackExamples,
  type AttackInputs,
  clipTo,
  judge,
  type Progress,
  predictedLabel,
} from './attack.ts';
import type { AttackTarget } from './attack-target.ts';

/**
 * One step of size epsilon along the sign of the loss's gradient.
 * @param epsilon largest change of an element, in units of the input
 * @returns every row tried once; `success` says which the model gets wrong
 * @see Goodfellow, Shlens and Szegedy, "Explaining and harnessing adversarial examples" (2015), section 4
 */
export async function fgsm(
  target: AttackTarget,
  attacked: AttackInputs,
  epsilon: number,
): Promise<AttackExamples> {
  const signs = (await target.lossGradient(attacked.inputs, attacked.labels)).map(Math.sign);
  const tried = attacked.inputs.map((value, index) => clipTo(target.range, value + epsilon * signs[index]));
  return judge(target, attacked, tried);
}

/** How finely the smallest epsilon is sought. */
export interface SmallestFgsmOptions {
  /** Largest epsilon tried, in units of the input; the whole range where it is not given. */
  readonly epsilonMax?: number;
  /** Steps of the line search over [0, epsilonMax]. */
  readonly steps?: number;
  readonly onProgress?: Progress;
}

/**
 * The same direction at the smallest epsilon of a line search that the model gets wrong.
 *
 * The search goes up in steps, not by bisection: along one direction the wrong region need not be connected.
 * @returns examples on the first wrong step; rows that stay right up to epsilonMax have no success
 * @see Goodfellow, Shlens and Szegedy (2015), section 4
 */
export async function smallestFgsm(
  target: AttackTarget,
  attacked: AttackInputs,
  options: SmallestFgsmOptions = {},
): Promise<AttackExamples> {
  const { epsilonMax = target.range[1] - target.range[0], steps = 1000, onProgress } = options;
  const size = elementCount(target.inputShape);
  const signs = (await target.lossGradient(attacked.inputs, attacked.labels)).map(Math.sign);
  const tried = attacked.inputs.slice();
  let open = Array.from({ length: attacked.labels.length }, (_, row) => row);
  for (let step = 1; step <= steps && open.length > 0; step++) {
    const epsilon = (epsilonMax * step) / steps;
    const rows = new Float32Array(open.length * size);
    for (const [index, row] of open.entries()) {
      for (let element = 0; element < size; element++) {
        const at = row * size + element;
        rows[index * size + element] = clipTo(target.range, attacked.inputs[at] + epsilon * signs[at]);
      }
    }
    const logits = await target.logits(rows);
    for (const [index, row] of open.entries())
      tried.set(rows.subarray(index * size, (index + 1) * size), row * size);
    open = open.filter(
      (row, index) => predictedLabel(logits, index, target.classes) === attacked.labels[row],
    );
    onProgress?.(Math.max(step / steps, 1 - open.length / attacked.labels.length));
  }
  return judge(target, attacked, tried);
}

// The fast gradient sign method, at a fixed epsilon and at the smallest one that succeeds.
import {
  type AttackExamples,
  type AttackInputs,
  clipTo,
  judge,
  type Progress,
  predictedLabel,
} from './attack.ts';
import { type AttackedRow, attackEach } from './attack-each.ts';
import type { AttackTarget } from './attack-target.ts';

/** What the step follows. */
export type AttackLoss = 'cross-entropy' | 'margin';

/**
 * One step of size epsilon along the sign of the loss's gradient.
 * @param epsilon largest change of an element, in units of the input
 * @param loss what goes up: the cross-entropy, or the best other logit less the label's
 * @returns every row tried once; `success` says which the model gets wrong
 * @see Goodfellow, Shlens and Szegedy, "Explaining and harnessing adversarial examples" (2015), section 4
 */
export async function fgsm(
  target: AttackTarget,
  attacked: AttackInputs,
  epsilon: number,
  loss: AttackLoss = 'cross-entropy',
): Promise<AttackExamples> {
  const { inputs, labels } = attacked;
  const signs =
    loss === 'margin'
      ? (await target.margin(inputs, labels)).gradient.map((value) => -Math.sign(value))
      : (await target.lossGradient(inputs, labels)).map(Math.sign);
  const tried = attacked.inputs.map((value, index) => clipTo(target.range, value + epsilon * signs[index]));
  return judge(target, attacked, tried);
}

/** How finely the smallest epsilon is sought. */
export interface SmallestFgsmOptions {
  /** Largest epsilon tried, in units of the input; the whole range where it is not given. */
  readonly epsilonMax?: number;
  /** Steps of the line search over [0, epsilonMax]. */
  readonly steps?: number;
  /** As of {@link fgsm}. */
  readonly loss?: AttackLoss;
  readonly onProgress?: Progress | undefined;
}

/** Steps of the line that one question asks about: few are asked in vain, and the last rows still fill a run. */
const blockSteps = 8;

/**
 * The same direction at the smallest epsilon of a line search that the model gets wrong.
 *
 * The search goes up in steps, not by bisection: along one direction the wrong region need not be connected.
 * @returns examples on the first wrong step; rows that stay right up to epsilonMax have no success
 * @see Goodfellow, Shlens and Szegedy (2015), section 4
 */
export function smallestFgsm(
  target: AttackTarget,
  attacked: AttackInputs,
  options: SmallestFgsmOptions = {},
): Promise<AttackExamples> {
  const { epsilonMax = target.range[1] - target.range[0], steps = 1000, onProgress } = options;
  const { loss = 'cross-entropy' } = options;

  const attack = async ({ input, label, crossEntropy, margin, logits, progress }: AttackedRow) => {
    const size = input.length;
    const signs =
      loss === 'margin'
        ? (await margin(input)).gradient.map((value) => -Math.sign(value))
        : (await crossEntropy(input)).gradient.map(Math.sign);
    let line = new Float32Array(0);
    for (let first = 1; first <= steps; first += blockSteps) {
      const count = Math.min(blockSteps, steps - first + 1);
      line = new Float32Array(count * size);
      for (let index = 0; index < line.length; index++) {
        const epsilon = (epsilonMax * (first + Math.floor(index / size))) / steps;
        line[index] = clipTo(target.range, input[index % size] + epsilon * signs[index % size]);
      }
      const answers = await logits(line);
      for (let step = 0; step < count; step++) {
        if (predictedLabel(answers, step, target.classes) !== label)
          return line.subarray(step * size, (step + 1) * size);
      }
      progress(first / steps);
    }
    return line.subarray(-size);
  };
  return attackEach(target, attacked, { attack, onProgress });
}

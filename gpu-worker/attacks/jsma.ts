// The Jacobian-based saliency map attack: a few elements, two at a time.
import {
  type AttackExamples,
  type AttackInputs,
  clipTo,
  type Progress,
  predictedLabel,
  runnerUp,
} from './attack.ts';
import { type AttackedRow, attackEach } from './attack-each.ts';
import type { AttackTarget } from './attack-target.ts';

/** Parameters of the attack. */
export interface JsmaOptions {
  /** Change of an element in one step, as a share of the valid range. */
  readonly theta?: number;
  /** Largest share of the elements that may be changed. */
  readonly gamma?: number;
  /** Times that one element may be changed, so that no element moves by more than changesMax * theta. */
  readonly changesMax?: number;
  /** Steps at most, of two elements each. */
  readonly steps?: number;
  readonly onProgress?: Progress | undefined;
}

/**
 * Changes, step by step, the two elements of largest saliency for a target class: the runner-up, which is the class of
 * the second largest logit of the clean input. Ends where the label is another than the true one.
 *
 * The Jacobian is that of the probabilities (JSMA-F in Carlini and Wagner 2017, section IV.B). As they sum to 1, all
 * classes but the target lose together what it gains, so the saliency of a pair, `(a_p + a_q) |b_p + b_q|` with a the
 * target's derivative and b the sum of the others', is `(a_p + a_q)^2`: the best pair are the two elements of largest
 * derivative.
 *
 * Deviation: each element goes up or down, as its derivative has it, where the paper has one map for growing and one for
 * shrinking; and with theta under 1 an element can be changed several times, as in Foolbox's form of the attack.
 * @returns the example of each row; rows where no pair is left, or no step, have no success
 * @see Papernot, McDaniel, Jha, Fredrikson, Celik and Swami, "The limitations of deep learning in adversarial settings"
 *   (2016), algorithms 2 and 3; gamma of 14.5 % is theirs (section V.A)
 */
export function jsma(
  target: AttackTarget,
  attacked: AttackInputs,
  options: JsmaOptions = {},
): Promise<AttackExamples> {
  const { theta = 0.1, gamma = 0.145, changesMax = 7, steps = 400, onProgress } = options;
  const { range, classes } = target;
  const stride = theta * (range[1] - range[0]);

  const attack = async ({ input, label, logits, crossEntropy, progress }: AttackedRow) => {
    const goal = runnerUp(await logits(input), label);
    const tried = input.slice();
    const changes = new Uint16Array(input.length);
    let elementsLeft = Math.max(2, Math.floor(gamma * input.length));
    for (let step = 0; step < steps; step++) {
      // The derivative of ln p_goal is that of p_goal by a positive factor, and does not vanish where p_goal is small.
      const { logits: answer, gradient } = await crossEntropy(tried, goal);
      if (predictedLabel(answer, 0, classes) !== label) return tried;
      const pair = largestTwo(gradient, (element) => {
        if (changes[element] >= changesMax || (changes[element] === 0 && elementsLeft < 2)) return false;
        return gradient[element] < 0 ? tried[element] < range[1] : tried[element] > range[0];
      });
      if (pair === undefined) return tried;
      for (const element of pair) {
        tried[element] = clipTo(range, tried[element] - Math.sign(gradient[element]) * stride);
        if (changes[element] === 0) elementsLeft--;
        changes[element]++;
      }
      progress((step + 1) / steps);
    }
    return tried;
  };
  return attackEach(target, attacked, { attack, onProgress });
}

/**
 * The two elements of largest absolute derivative, of those that may be changed.
 * @returns undefined where there are no two whose derivative is not 0
 */
function largestTwo(
  gradient: Float32Array,
  mayChange: (element: number) => boolean,
): readonly [number, number] | undefined {
  let [first, second] = [-1, -1];
  let [largest, next] = [0, 0];
  for (let element = 0; element < gradient.length; element++) {
    const size = Math.abs(gradient[element]);
    if (size <= next || !mayChange(element)) continue;
    if (size > largest) {
      [second, next] = [first, largest];
      [first, largest] = [element, size];
    } else [second, next] = [element, size];
  }
  return second < 0 ? undefined : [first, second];
}

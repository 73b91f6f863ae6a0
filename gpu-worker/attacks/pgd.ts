// Projected gradient descent in the max norm, at a fixed epsilon and at the smallest one that succeeds.
import { type AttackExamples, type AttackInputs, clipTo, type Progress, predictedLabel } from './attack.ts';
import { type AttackedRow, attackEach, rowRandom } from './attack-each.ts';
import type { AttackTarget } from './attack-target.ts';

/** Parameters of the descent. */
export interface PgdOptions {
  readonly steps?: number;
  /** Size of a step as a share of epsilon; 2.5 / steps where it is not given, as Madry et al. take it. */
  readonly stepShare?: number;
  /** Seed of a start drawn uniformly from the ball; without it the start is the input itself (BIM). */
  readonly randomStart?: number;
  /**
   * What the steps follow: the cross-entropy, or the label's logit less the best other one, whose gradient does not fade
   * where the model is sure (Carlini and Wagner 2017, loss f6; Madry et al. 2018, section 5).
   */
  readonly loss?: 'cross-entropy' | 'margin';
  readonly onProgress?: Progress | undefined;
}

/**
 * Steps along the sign of the loss's gradient, each projected back into the ball of radius epsilon and the valid range.
 *
 * All steps are taken, so that examples lie as deep in the wrong class as the radius lets them.
 * @param epsilon radius in the max norm, in units of the input
 * @returns every row tried; `success` says which the model gets wrong
 * @see Madry et al., "Towards deep learning models resistant to adversarial attacks" (2018), section 2.1
 */
export function pgd(
  target: AttackTarget,
  attacked: AttackInputs,
  { epsilon, onProgress, ...options }: PgdOptions & { readonly epsilon: number },
): Promise<AttackExamples> {
  const attack = async (row: AttackedRow) =>
    (await descend(row, { ...options, epsilon, range: target.range, progress: row.progress })).tried;
  return attackEach(target, attacked, { attack, onProgress });
}

/**
 * The basic iterative method: PGD that starts at the input.
 * @param epsilon radius in the max norm, in units of the input
 * @see Kurakin, Goodfellow and Bengio, "Adversarial examples in the physical world" (2017), section 2.2
 */
export function bim(
  target: AttackTarget,
  attacked: AttackInputs,
  options: Omit<PgdOptions, 'randomStart'> & { readonly epsilon: number },
): Promise<AttackExamples> {
  return pgd(target, attacked, options);
}

/** How finely the smallest epsilon is sought. */
export interface SmallestPgdOptions extends PgdOptions {
  /** Largest epsilon tried, in units of the input; the whole range where it is not given. */
  readonly epsilonMax?: number;
  /** Halvings of the interval: the epsilon found is within epsilonMax / 2^rounds, and closer where descents end early. */
  readonly rounds?: number;
}

/**
 * PGD at the smallest epsilon that bisection finds, for each row its own.
 *
 * A descent ends at its first step that the model gets wrong.
 * @returns the successful example of smallest epsilon; rows that resist epsilonMax have no success
 * @see Madry et al. (2018), section 2.1
 */
export function smallestPgd(
  target: AttackTarget,
  attacked: AttackInputs,
  options: SmallestPgdOptions = {},
): Promise<AttackExamples> {
  const { range, classes } = target;
  const { epsilonMax = range[1] - range[0], rounds = 9, onProgress, ...descent } = options;

  const attack = async (row: AttackedRow) => {
    let low = 0;
    let high = epsilonMax;
    let best: Float32Array | undefined;
    // The first round asks whether epsilonMax succeeds at all.
    for (let round = 0; round <= rounds; round++) {
      const epsilon = round === 0 ? high : (low + high) / 2;
      const { tried, wrong } = await descend(row, { ...descent, epsilon, range, untilWrong: classes });
      if (wrong) {
        // A descent that ended early has shown that a smaller radius is enough.
        high = Math.min(epsilon, largestChange(tried, row.input));
        best = tried;
      } else if (round === 0) return tried;
      else low = epsilon;
      row.progress((round + 1) / (rounds + 1));
    }
    return best ?? row.input;
  };
  return attackEach(target, attacked, { attack, onProgress });
}

function largestChange(tried: Float32Array, input: Float32Array): number {
  return tried.reduce((largest, value, index) => Math.max(largest, Math.abs(value - input[index])), 0);
}

interface Descent extends Omit<PgdOptions, 'onProgress'> {
  readonly epsilon: number;
  readonly range: AttackTarget['range'];
  /** Number of classes where the descent ends at the first wrong answer. */
  readonly untilWrong?: number;
  readonly progress?: (share: number) => void;
}

/** The descent itself. */
async function descend(
  { row, input, label, crossEntropy, margin, logits }: AttackedRow,
  { epsilon, range, untilWrong, progress, ...options }: Descent,
): Promise<{ tried: Float32Array; wrong: boolean }> {
  const { steps = 10, stepShare = 2.5 / steps, randomStart, loss = 'cross-entropy' } = options;
  const [low, high] = range;
  const isWrong = (answer: Float32Array) =>
    untilWrong !== undefined && predictedLabel(answer, 0, untilWrong) !== label;
  // The cross-entropy goes up towards a wrong answer, the margin down.
  const [ask, stride] =
    loss === 'margin' ? [margin, -stepShare * epsilon] : [crossEntropy, stepShare * epsilon];
  const random = randomStart === undefined ? undefined : rowRandom(randomStart, row);
  const tried =
    random === undefined
      ? input.slice()
      : input.map((value) => clipTo(range, value + epsilon * (2 * random() - 1)));
  for (let step = 0; step < steps; step++) {
    const answer = await ask(tried);
    if (isWrong(answer.logits)) return { tried, wrong: true };
    const { gradient } = answer;
    // Plain comparisons instead of nested calls: this loop runs for every element of every step.
    for (let index = 0; index < tried.length; index++) {
      let moved = tried[index] + stride * Math.sign(gradient[index]);
      if (moved > input[index] + epsilon) moved = input[index] + epsilon;
      if (moved < input[index] - epsilon) moved = input[index] - epsilon;
      tried[index] = Math.min(high, Math.max(low, moved));
    }
    progress?.((step + 1) / steps);
  }
  return { tried, wrong: untilWrong !== undefined && isWrong(await logits(tried)) };
}

// Projected gradient descent in the max norm, at a fixed epsilon and at the smallest one that succeeds.
import { seededRandom } from '../../shared/maths/random.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import { type AttackExamples, type AttackInputs, clipTo, judge, type Progress } from './attack.ts';
import type { AttackTarget } from './attack-target.ts';

/** Parameters of the descent. */
export interface PgdOptions {
  readonly steps?: number;
  /** Size of a step as a share of epsilon; 2.5 / steps where it is not given, as Madry et al. take it. */
  readonly stepShare?: number;
  /** Seed of a start drawn uniformly from the ball; without it the start is the input itself (BIM). */
  readonly randomStart?: number;
  readonly onProgress?: Progress;
}

/**
 * Steps along the sign of the loss's gradient, each projected back into the ball of radius epsilon and the valid range.
 * @param epsilon radius in the max norm, in units of the input
 * @returns every row tried; `success` says which the model gets wrong
 * @see Madry et al., "Towards deep learning models resistant to adversarial attacks" (2018), section 2.1;
 *   without a random start: Kurakin, Goodfellow and Bengio, "Adversarial examples in the physical world" (2017), section 2.2
 */
export async function pgd(
  target: AttackTarget,
  attacked: AttackInputs,
  { epsilon, ...options }: PgdOptions & { readonly epsilon: number },
): Promise<AttackExamples> {
  const epsilons = new Float32Array(attacked.labels.length).fill(epsilon);
  return judge(target, attacked, await descend(target, attacked, { epsilons, ...options }));
}

/** How finely the smallest epsilon is sought. */
export interface SmallestPgdOptions extends PgdOptions {
  /** Largest epsilon tried, in units of the input; the whole range where it is not given. */
  readonly epsilonMax?: number;
  /** Halvings of the interval: the epsilon found is within epsilonMax / 2^rounds. */
  readonly rounds?: number;
}

/**
 * PGD at the smallest epsilon that bisection finds, for each row its own.
 * @returns the successful example of smallest epsilon; rows that resist epsilonMax have no success
 * @see Madry et al. (2018), section 2.1
 */
export async function smallestPgd(
  target: AttackTarget,
  attacked: AttackInputs,
  options: SmallestPgdOptions = {},
): Promise<AttackExamples> {
  const { epsilonMax = target.range[1] - target.range[0], rounds = 9, onProgress, ...descent } = options;
  const rows = attacked.labels.length;
  const size = elementCount(target.inputShape);
  const low = new Float32Array(rows);
  const high = new Float32Array(rows).fill(epsilonMax);
  const best = attacked.inputs.slice();
  for (let round = 0; round <= rounds; round++) {
    // The first round asks whether epsilonMax succeeds at all.
    const epsilons = round === 0 ? high.slice() : low.map((value, row) => (value + high[row]) / 2);
    const tried = await descend(target, attacked, { epsilons, ...descent });
    const { success } = await judge(target, attacked, tried);
    for (let row = 0; row < rows; row++) {
      if (success[row] === 1) {
        high[row] = epsilons[row];
        best.set(tried.subarray(row * size, (row + 1) * size), row * size);
      } else if (round > 0) low[row] = epsilons[row];
    }
    onProgress?.((round + 1) / (rounds + 1));
  }
  return judge(target, attacked, best);
}

/** The descent itself with a radius for each row. */
async function descend(
  target: AttackTarget,
  { inputs, labels }: AttackInputs,
  {
    epsilons,
    steps = 10,
    stepShare = 2.5 / steps,
    randomStart,
  }: PgdOptions & { readonly epsilons: Float32Array },
): Promise<Float32Array> {
  const size = elementCount(target.inputShape);
  const random = randomStart === undefined ? undefined : seededRandom(randomStart);
  const tried = inputs.map((value, index) => {
    const radius = epsilons[Math.floor(index / size)];
    return random === undefined ? value : clipTo(target.range, value + radius * (2 * random() - 1));
  });
  for (let step = 0; step < steps; step++) {
    const gradient = await target.lossGradient(tried, labels);
    for (let index = 0; index < tried.length; index++) {
      const radius = epsilons[Math.floor(index / size)];
      const moved = tried[index] + stepShare * radius * Math.sign(gradient[index]);
      tried[index] = clipTo(target.range, clipTo([inputs[index] - radius, inputs[index] + radius], moved));
    }
  }
  return tried;
}

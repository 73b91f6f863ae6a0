// FAKEBOB: a black-box attack on speaker recognition that follows a gradient estimated from scores alone.
import { normal, type Random } from '../../shared/maths/random.ts';
import { type AttackExamples, type AttackInputs, labelMargin, type Progress } from './attack.ts';
import { type AttackedRow, attackEach, rowRandom } from './attack-each.ts';
import type { AttackTarget } from './attack-target.ts';

/** Parameters of the attack; the defaults are the authors' but for the queries. */
export interface FakebobOptions {
  /** Radius in the max norm, in units of the input; the authors attack waveforms of -1 to 1 with 0.002. */
  readonly epsilon: number;
  /** Questions to the model at most, each for the scores of one input. */
  readonly queries?: number;
  /** Draws of one estimate, an even number: half of them with the opposite sign. */
  readonly draws?: number;
  /** Deviation of a draw, in units of the input. */
  readonly deviation?: number;
  /** First and smallest step, in units of the input. */
  readonly stepFirst?: number;
  readonly stepLast?: number;
  /** Share of the estimate that is kept from the steps before. */
  readonly momentum?: number;
  /** Steps without a lower margin after which the step is halved. */
  readonly plateau?: number;
  readonly seed: number;
  readonly onProgress?: Progress | undefined;
}

/**
 * Lowers the margin of the label's score over the best other one: a gradient is estimated by natural evolution strategies with
 * antithetic draws, smoothed by momentum, and its sign followed within the ball, until the label is wrong.
 *
 * Any other speaker will do: what the authors call untargeted attack on close-set identification.
 *
 * Deviation: 2,500 questions where the authors allow 1,000 steps of 51, so that a table is made in minutes.
 * @returns the example of each row; rows still right after all queries have no success
 * @see Chen, Chen, Fan, Zhao, Song, Ji and Li, "Who is real Bob? Adversarial attacks on speaker recognition systems" (2021),
 *   section III.C (loss), algorithms 1 and 2; Ilyas, Engstrom, Athalye and Lin, "Black-box adversarial attacks with limited
 *   queries and information" (2018), section 2
 */
export function fakebob(
  target: AttackTarget,
  attacked: AttackInputs,
  { onProgress, seed, ...options }: FakebobOptions,
): Promise<AttackExamples> {
  const { epsilon, queries = 2500, draws = 50, momentum = 0.9, plateau = 5 } = options;
  // The authors' 0.001 and 0.000001 at their radius of 0.002.
  const { deviation = epsilon / 2, stepFirst = epsilon / 2, stepLast = epsilon / 2000 } = options;
  const { classes, range } = target;

  const attack = async (row: AttackedRow) => {
    const { input, label, logits, progress } = row;
    const random = rowRandom(seed, row.row);
    const tried = input.slice();
    const slope = new Float64Array(input.length);
    let step = stepFirst;
    let best = labelMargin(await logits(tried), label);
    let [asked, unimproved] = [1, 0];
    while (best >= 0 && asked + draws + 1 <= queries) {
      const { inputs, noise } = drawPairs(tried, { draws, deviation, random });
      const answers = await logits(inputs);
      const margins = Array.from({ length: draws }, (_, draw) =>
        labelMargin(answers.subarray(draw * classes, (draw + 1) * classes), label),
      );
      follow(tried, slope, { noise, margins, momentum, step, epsilon, input, range });
      const margin = labelMargin(await logits(tried), label);
      asked += draws + 1;
      unimproved = margin < best ? 0 : unimproved + 1;
      best = Math.min(best, margin);
      if (margin < 0) break;
      if (unimproved >= plateau) {
        step = Math.max(stepLast, step / 2);
        unimproved = 0;
      }
      progress(asked / queries);
    }
    return tried;
  };
  return attackEach(target, attacked, { attack, onProgress });
}

/** Points around an input, [draws, size], and the noise of each pair, [draws / 2, size]: the second half has it negated. */
function drawPairs(
  tried: Float32Array,
  { draws, deviation, random }: { draws: number; deviation: number; random: Random },
): { inputs: Float32Array; noise: Float32Array } {
  const half = (draws / 2) * tried.length;
  const noise = Float32Array.from({ length: half }, () => normal(random));
  const inputs = new Float32Array(2 * half);
  for (let index = 0; index < half; index++) {
    const value = tried[index % tried.length];
    inputs[index] = value + deviation * noise[index];
    inputs[half + index] = value - deviation * noise[index];
  }
  return { inputs, noise };
}

/** One step against the estimate: of its factor only the sign of the whole counts, so it is left out. */
function follow(
  tried: Float32Array,
  slope: Float64Array,
  {
    noise,
    margins,
    momentum,
    step,
    epsilon,
    input,
    range: [low, high],
  }: {
    noise: Float32Array;
    margins: readonly number[];
    momentum: number;
    step: number;
    epsilon: number;
    input: Float32Array;
    range: readonly [number, number];
  },
): void {
  const size = tried.length;
  const pairs = margins.length / 2;
  const estimate = new Float64Array(size);
  for (let pair = 0; pair < pairs; pair++) {
    const difference = margins[pair] - margins[pairs + pair];
    const first = pair * size;
    for (let index = 0; index < size; index++) estimate[index] += difference * noise[first + index];
  }
  for (let index = 0; index < size; index++) {
    slope[index] = momentum * slope[index] + (1 - momentum) * estimate[index];
    const moved = tried[index] - step * Math.sign(slope[index]);
    const within = Math.min(input[index] + epsilon, Math.max(input[index] - epsilon, moved));
    tried[index] = Math.min(high, Math.max(low, within));
  }
}

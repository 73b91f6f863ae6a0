// The boundary attack: a walk along the decision boundary towards the input, from the model's labels alone.
import { normal, type Random } from '../../shared/maths/random.ts';
import {
  type AttackExamples,
  type AttackInputs,
  clipTo,
  l2Distance,
  type Progress,
  predictedLabel,
} from './attack.ts';
import { type AttackedRow, attackEach, rowRandom } from './attack-each.ts';
import type { AttackTarget } from './attack-target.ts';

/** Parameters of the attack. */
export interface BoundaryOptions {
  /** Steps of the walk, of two questions each. */
  readonly steps?: number;
  /** Draws of a first input that the model labels otherwise. */
  readonly starts?: number;
  /** First size of a step along the sphere around the input and of a step towards the input, relative to the distance. */
  readonly sphericalStep?: number;
  readonly sourceStep?: number;
  readonly seed: number;
  readonly onProgress?: Progress | undefined;
}

/** Halvings of the way from the first wrong input to the clean one. */
const bisections = 10;

/**
 * Walks from a random input that the model gets wrong along the boundary towards the clean input.
 *
 * Deviation: draws of the start after the first lie between two random bounds instead of over the whole range, since a
 * model may take all noise for one class; the start is first moved to the boundary by bisection, as Foolbox does.
 * @returns the wrong example of smallest l2 distance; rows without a start have no success
 * @see Brendel, Rauber and Bethge, "Decision-based adversarial attacks: reliable attacks against black-box machine
 *   learning models" (2018), algorithm 1 and section 2
 */
export function boundary(
  target: AttackTarget,
  attacked: AttackInputs,
  options: BoundaryOptions,
): Promise<AttackExamples> {
  const { steps = 1000, starts = 50, sphericalStep = 0.01, sourceStep = 0.01, seed, onProgress } = options;
  const { range, classes } = target;

  const attack = async (row: AttackedRow) => {
    const { input, label } = row;
    const random = rowRandom(seed, row.row);
    const isWrong = async (tried: Float32Array) =>
      predictedLabel(await row.logits(tried), 0, classes) !== label;
    const start = await firstWrong({ isWrong, input, range, random, starts });
    if (start === undefined) return input;
    let best = await towardsInput(start, { isWrong, input });
    const spherical = adaptiveStep(sphericalStep, { from: 0.2, to: 0.5, window: 30 });
    const source = adaptiveStep(sourceStep, { from: 0.1, to: 0.25, window: 30 });
    for (let step = 0; step < steps; step++) {
      const turned = turn(best, { input, range, random, size: spherical.size() });
      const turnedIsWrong = await isWrong(turned);
      spherical.record(turnedIsWrong);
      if (turnedIsWrong) {
        const keep = 1 - source.size();
        const closer = turned.map((value, index) => input[index] + keep * (value - input[index]));
        const closerIsWrong = await isWrong(closer);
        source.record(closerIsWrong);
        if (closerIsWrong && l2Distance(closer, input) < l2Distance(best, input)) best = closer;
      }
      row.progress((step + 1) / steps);
    }
    return best;
  };
  return attackEach(target, attacked, { attack, onProgress });
}

type IsWrong = (tried: Float32Array) => Promise<boolean>;

/** Draws inputs until the model gets one wrong. */
async function firstWrong({
  isWrong,
  input,
  range: [low, high],
  random,
  starts,
}: {
  isWrong: IsWrong;
  input: Float32Array;
  range: readonly [number, number];
  random: Random;
  starts: number;
}): Promise<Float32Array | undefined> {
  for (let draw = 0; draw < starts; draw++) {
    const bounds = draw === 0 ? [0, 1] : [random(), random()];
    const drawn = input.map(() => low + (high - low) * (bounds[0] + (bounds[1] - bounds[0]) * random()));
    if (await isWrong(drawn)) return drawn;
  }
  return undefined;
}

/** Bisects between a wrong input and the clean one; gives the last wrong one. */
async function towardsInput(
  start: Float32Array,
  { isWrong, input }: { isWrong: IsWrong; input: Float32Array },
): Promise<Float32Array> {
  let [best, right, wrong] = [start, 0, 1];
  for (let round = 0; round < bisections; round++) {
    const share = (right + wrong) / 2;
    const tried = start.map((value, index) => input[index] + share * (value - input[index]));
    if (await isWrong(tried)) {
      best = tried;
      wrong = share;
    } else right = share;
  }
  return best;
}

/**
 * A random step of a size relative to the distance, brought back to the sphere around the input and into the range.
 * @see Brendel et al. (2018), section 2.2 and figure 2
 */
function turn(
  from: Float32Array,
  {
    input,
    range,
    random,
    size,
  }: { input: Float32Array; range: readonly [number, number]; random: Random; size: number },
): Float32Array {
  const distance = l2Distance(from, input);
  const drawn = from.map(() => normal(random));
  // Only the part across the line to the input counts: the rest would change the distance.
  let along = 0;
  for (let index = 0; index < drawn.length; index++)
    along += (drawn[index] * (from[index] - input[index])) / distance;
  let square = 0;
  for (let index = 0; index < drawn.length; index++) {
    drawn[index] -= (along * (from[index] - input[index])) / distance;
    square += drawn[index] ** 2;
  }
  const scale = (size * distance) / Math.sqrt(square);
  const back = 1 / Math.sqrt(1 + size ** 2);
  return from.map((value, index) =>
    clipTo(range, input[index] + back * (value - input[index] + scale * drawn[index])),
  );
}

/** A step size that shrinks and grows so that its share of successes stays between two bounds. */
function adaptiveStep(
  first: number,
  { from, to, window }: { from: number; to: number; window: number },
): { size(): number; record(success: boolean): void } {
  let size = first;
  let tries = 0;
  let successes = 0;
  return {
    size: () => size,
    record(success) {
      tries++;
      if (success) successes++;
      if (tries < window) return;
      if (successes > to * tries) size = Math.min(0.5, size * 1.5);
      else if (successes < from * tries) size /= 1.5;
      tries = 0;
      successes = 0;
    },
  };
}

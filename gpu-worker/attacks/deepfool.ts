// DeepFool in the l2 norm: steps to the nearest boundary of the model's linearisation.
import { type AttackExamples, type AttackInputs, clipTo, type Progress, predictedLabel } from './attack.ts';
import { type AttackedRow, attackEach } from './attack-each.ts';
import type { AttackTarget } from './attack-target.ts';

/** Parameters of the attack. */
export interface DeepfoolOptions {
  /** Linearisations at most. */
  readonly steps?: number;
  /** The perturbation is stretched by 1 + overshoot, so that it crosses the boundary. */
  readonly overshoot?: number;
  /** Classes considered: those of the largest logits of the clean input, the label's included. */
  readonly candidates?: number;
  readonly onProgress?: Progress | undefined;
}

/**
 * Adds, step by step, the smallest change that crosses the nearest boundary between the label and another class, were the
 * model linear; ends where the model gets the input wrong.
 *
 * Deviation: the stretched perturbation is tested after each step and clipped to the valid range, as the authors' own
 * code and later toolkits do; the paper stretches once, at the end, and has no range.
 * @returns the example of each row; rows still right after all steps have no success
 * @see Moosavi-Dezfooli, Fawzi and Frossard, "DeepFool: a simple and accurate method to fool deep neural networks"
 *   (2016), algorithm 2
 */
export function deepfool(
  target: AttackTarget,
  attacked: AttackInputs,
  options: DeepfoolOptions = {},
): Promise<AttackExamples> {
  const { steps = 50, overshoot = 0.02, candidates = 10, onProgress } = options;
  const { range, classes } = target;

  const attack = async ({ input, label, logits, vectorJacobian, progress }: AttackedRow) => {
    const rivals = largestClasses(await logits(input), candidates).filter((rival) => rival !== label);
    const seeds = new Float32Array(rivals.length * classes);
    for (const [index, rival] of rivals.entries()) {
      seeds[index * classes + rival] = 1;
      seeds[index * classes + label] = -1;
    }
    const perturbation = new Float32Array(input.length);
    let tried = input;
    for (let step = 0; step < steps; step++) {
      const answer = await vectorJacobian(tried, seeds);
      if (predictedLabel(answer.logits, 0, classes) !== label) return tried;
      const gaps = rivals.map((rival) => answer.logits[label] - answer.logits[rival]);
      const normal = nearestBoundary(gaps, answer.gradient);
      // Where no class's logit moves with the input there is no boundary to go to.
      if (normal === undefined) return tried;
      for (let index = 0; index < input.length; index++) perturbation[index] += normal[index];
      tried = input.map((value, index) => clipTo(range, value + (1 + overshoot) * perturbation[index]));
      progress((step + 1) / steps);
    }
    return tried;
  };
  return attackEach(target, attacked, { attack, onProgress });
}

/** Added to the gap between two logits, so that a step from the boundary itself still has a length (the authors' code). */
const gapFloor = 1e-4;

/**
 * The smallest change to the nearest of several boundaries.
 * @param gaps [count]: label's logit less the rival's
 * @param gradients [count, size]: of the rival's logit less the label's
 * @returns [size]; undefined where all gradients are 0
 */
function nearestBoundary(gaps: readonly number[], gradients: Float32Array): Float32Array | undefined {
  const size = gradients.length / gaps.length;
  let nearest: { distance: number; gradient: Float32Array; scale: number } | undefined;
  for (const [index, gap] of gaps.entries()) {
    const gradient = gradients.subarray(index * size, (index + 1) * size);
    const square = gradient.reduce((sum, value) => sum + value * value, 0);
    const distance = (gap + gapFloor) / Math.sqrt(square);
    if (square > 0 && distance < (nearest?.distance ?? Number.POSITIVE_INFINITY))
      nearest = { distance, gradient, scale: (gap + gapFloor) / square };
  }
  return nearest?.gradient.map((value) => value * nearest.scale);
}

/** Numbers of the `count` largest logits, the largest first. */
function largestClasses(logits: Float32Array, count: number): number[] {
  return Array.from(logits.keys())
    .sort((left, right) => logits[right] - logits[left])
    .slice(0, count);
}

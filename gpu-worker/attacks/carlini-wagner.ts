// The attack of Carlini and Wagner in the l2 norm: distance and misclassification weighed against each other.
import {
  type AttackExamples,
  type AttackInputs,
  l2Distance,
  labelMargin,
  type Progress,
  predictedLabel,
} from './attack.ts';
import { type AttackedRow, attackEach } from './attack-each.ts';
import type { AttackTarget } from './attack-target.ts';

/** Parameters of the attack. */
export interface CarliniWagnerOptions {
  /** Values tried for the weight c of the misclassification. */
  readonly searches?: number;
  /** Steps of Adam for each of them. */
  readonly steps?: number;
  /** Step size of Adam, in tanh space. */
  readonly stepSize?: number;
  /** First c. */
  readonly initialWeight?: number;
  /** Confidence kappa: an example counts where the label's logit lies so far under the best other one. */
  readonly kappa?: number;
  /**
   * How large a change is thought of, in units of the input; the whole range where it is not given. Steps shrink with it and the
   * first c with its square, as if inputs were measured in it.
   */
  readonly epsilonMax?: number;
  readonly onProgress?: Progress | undefined;
}

/**
 * Minimises `|x' - x|^2 + c max(z_label - max over k != label of z_k, -kappa)` over `x' = lo + (hi - lo)(tanh w + 1) / 2`
 * by Adam, and seeks the smallest c that succeeds: tenfold until the first success, then by bisection.
 *
 * A search ends early where a tenth of its steps has not made the loss 0.01 % smaller, as in the authors' code.
 *
 * Deviation: 5 searches of 70 steps of 0.05 from c = 1, where the authors take 9 of 10,000 steps of 0.01 from 0.001. On
 * CIFAR-10 with a ResNet-8 the l2 distances are an eighth longer than those of 6 searches of 100 steps of 0.03, and the
 * examples are harder to detect, since they do not end on the decision boundary: the logit margin has an AUROC of 0.96
 * where it has 0.99 on the closer ones. They agree with Foolbox's examples of the same images (docs/results.md).
 * @returns the successful example of smallest l2 distance; rows that no c breaks have no success
 * @see Carlini and Wagner, "Towards evaluating the robustness of neural networks" (2017), sections V.B (change of
 *   variables, f6) and VI.A
 */
export function carliniWagner(
  target: AttackTarget,
  attacked: AttackInputs,
  options: CarliniWagnerOptions = {},
): Promise<AttackExamples> {
  const [low, high] = target.range;
  const { epsilonMax = high - low, onProgress, ...rest } = options;
  const scale = epsilonMax / (high - low);
  const { searches = 5, initialWeight = scale ** 2 } = rest;
  const { steps = 70, stepSize = 0.05 * scale, kappa = 0 } = rest;

  const attack = async (row: AttackedRow) => {
    const best = { distance: Number.POSITIVE_INFINITY, example: row.input };
    let [least, weight, most] = [0, initialWeight, Number.POSITIVE_INFINITY];
    for (let search = 0; search < searches; search++) {
      if (await minimise(target, row, { weight, steps, stepSize, kappa, best })) most = weight;
      else least = weight;
      weight = Number.isFinite(most) ? (least + most) / 2 : weight * 10;
      row.progress((search + 1) / searches);
    }
    return best.example;
  };
  return attackEach(target, attacked, { attack, onProgress });
}

/**
 * Keeps tanh's argument off the ends of the range, where its slope is nearly 0. The authors' code has 0.999999: elements
 * at an end, such as the background of a digit, then take hundreds of steps to move at all.
 */
const shrink = 0.999;

type Search = Required<Pick<CarliniWagnerOptions, 'steps' | 'stepSize' | 'kappa'>> & {
  readonly weight: number;
  /** The best example so far, changed where a better one is found. */
  readonly best: { distance: number; example: Float32Array };
};

/** One run of Adam; says whether it found an example at all. */
async function minimise(
  { range: [low, high], classes }: AttackTarget,
  { input, label, margin }: AttackedRow,
  { weight, steps, stepSize, kappa, best }: Search,
): Promise<boolean> {
  const half = (high - low) / 2;
  const w = input.map((value) => Math.atanh(shrink * ((value - low) / half - 1)));
  const tried = new Float32Array(input.length);
  const adam = adamStep(input.length, stepSize);
  const tenth = Math.max(1, Math.floor(steps / 10));
  let found = false;
  let [loss, lastLoss] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let step = 0; step < steps; step++) {
    for (let index = 0; index < w.length; index++) tried[index] = low + half * (Math.tanh(w[index]) + 1);
    const { logits, gradient } = await margin(tried);
    const gap = labelMargin(logits, label);
    const distance = l2Distance(tried, input);
    if (predictedLabel(logits, 0, classes) !== label && gap <= -kappa) {
      found = true;
      if (distance < best.distance) {
        best.distance = distance;
        best.example = tried.slice();
      }
    }
    loss = Math.min(loss, distance ** 2 + weight * Math.max(gap, -kappa));
    if ((step + 1) % tenth === 0) {
      if (loss > lastLoss - 1e-4 * Math.abs(lastLoss)) break;
      [lastLoss, loss] = [loss, Number.POSITIVE_INFINITY];
    }
    const pull = gap > -kappa ? weight : 0;
    adam(w, (index) => {
      const slope = Math.tanh(w[index]);
      return (2 * (tried[index] - input[index]) + pull * gradient[index]) * half * (1 - slope * slope);
    });
  }
  return found;
}

/**
 * Adam with its usual constants.
 * @see Kingma and Ba, "Adam: a method for stochastic optimization" (2015), algorithm 1
 */
function adamStep(
  size: number,
  stepSize: number,
): (values: Float32Array, slope: (index: number) => number) => void {
  const [first, second] = [0.9, 0.999];
  const mean = new Float64Array(size);
  const square = new Float64Array(size);
  let time = 0;
  return (values, slope) => {
    time++;
    const rate = (stepSize * Math.sqrt(1 - second ** time)) / (1 - first ** time);
    for (let index = 0; index < size; index++) {
      const gradient = slope(index);
      mean[index] = first * mean[index] + (1 - first) * gradient;
      square[index] = second * square[index] + (1 - second) * gradient * gradient;
      values[index] -= (rate * mean[index]) / (Math.sqrt(square[index]) + 1e-8);
    }
  };
}

// Projected gradient descent on the model and its detector together: the attack of someone who has read the artefact.
import { assertShape } from '../../shared/assert.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import { type AttackExamples, type AttackInputs, clipTo, judge, type Progress } from './attack.ts';
import { rowRandom } from './attack-each.ts';
import type { AttackTarget } from './attack-target.ts';
import type { DrawCopies } from './copy-draws.ts';
import { type JointLoss, type JointLossOptions, jointLoss, type KnownDetector } from './joint-loss.ts';

/** Parameters of the descent. */
export interface AdaptivePgdOptions extends Partial<JointLossOptions> {
  /** Radius in the max norm, in units of the input. */
  readonly epsilon: number;
  readonly steps?: number;
  /** The copies that the attacker reckons with. */
  readonly copies: DrawCopies;
  readonly seed: number;
  readonly onProgress?: Progress | undefined;
}

/** The examples; `success` says what the model alone gets wrong, the guard has yet to judge. */
export interface AdaptiveExamples extends AttackExamples {
  /** Share of the steps of inputs not yet settled whose gradient was 0 everywhere or not finite, in [0, 1]. */
  readonly zeroGradients: number;
}

/** The loss's parameters where none are given. */
export const jointLossDefaults = { slack: 0.1, confidence: 1 } as const;

/**
 * Lambda of an input at its start, by what it grows while the model is wrong and the detector is not content, by what it
 * falls while the model is right, and its bounds. A fixed one would have to fit the scale of each detector's scores: on
 * MNIST at 0.2, lambda 1 turned 23 of 32 images and 0.05 turned 30; the paced one turned 29, at 0.15 as many as the best.
 */
export const detectorWeightPace = { first: 0.05, factor: 1.1, least: 0.01, most: 10 } as const;

/** Inputs that descend together: enough for full batches, few enough that all their copies fit in memory. */
const groupRows = 16;

/** First step as a share of epsilon; steps shrink linearly to nothing, so that the end does not swing over the threshold. */
const firstStep = 0.25;

/**
 * Steps along the sign of the joint loss's gradient from a random start in the ball, each projected back into the ball and
 * the valid range. An input ends as soon as it is settled: wrong, and under the threshold by the slack in every draw.
 * @returns of each input the iterate that passed in most draws, of those with equal many the one of least loss
 * @see Madry et al. (2018), section 2.1; Carlini and Wagner, "Adversarial examples are not easily detected" (2017),
 *   section 3.1; Tramèr et al., "On adaptive attacks to adversarial example defenses" (2020)
 */
export async function adaptivePgd(
  target: AttackTarget,
  detector: KnownDetector,
  { inputs, labels, ...options }: AttackInputs & AdaptivePgdOptions,
): Promise<AdaptiveExamples> {
  const rows = labels.length;
  const size = elementCount(target.inputShape);
  assertShape(inputs, [rows, size], 'attacked inputs');
  const tried = new Float32Array(inputs.length);
  const steps = { asked: 0, zero: 0 };
  for (let first = 0; first < rows; first += groupRows) {
    const group = Array.from({ length: Math.min(groupRows, rows - first) }, (_, index) => {
      const row = first + index;
      const input = inputs.subarray(row * size, (row + 1) * size);
      return startRow({ row, input, label: labels[row] }, target, options);
    });
    const report = (share: number) => options.onProgress?.((first + share * group.length) / rows);
    await descend(group, { target, detector, steps, report, options });
    for (const { row, best } of group) tried.set(best, row * size);
  }
  const examples = await judge(target, { inputs, labels }, tried);
  return { ...examples, zeroGradients: steps.asked === 0 ? 0 : steps.zero / steps.asked };
}

/** One input on its way. */
interface DescendingRow {
  readonly row: number;
  readonly input: Float32Array;
  readonly label: number;
  current: Float32Array;
  detectorWeight: number;
  best: Float32Array;
  bestLoss: Pick<JointLoss, 'passing' | 'loss'>;
  settled: boolean;
}

function startRow(
  own: Pick<DescendingRow, 'row' | 'input' | 'label'>,
  { range }: AttackTarget,
  { epsilon, seed }: AdaptivePgdOptions,
): DescendingRow {
  const random = rowRandom(seed, own.row);
  const current = own.input.map((value) => clipTo(range, value + epsilon * (2 * random() - 1)));
  return {
    ...own,
    current,
    detectorWeight: detectorWeightPace.first,
    best: current,
    bestLoss: { passing: 0, loss: Infinity },
    settled: false,
  };
}

async function descend(
  group: readonly DescendingRow[],
  {
    target,
    detector,
    steps: counted,
    report,
    options: { epsilon, steps = 100, copies, ...weights },
  }: {
    target: AttackTarget;
    detector: KnownDetector;
    steps: { asked: number; zero: number };
    report: (share: number) => void;
    options: AdaptivePgdOptions;
  },
): Promise<void> {
  const loss = { ...jointLossDefaults, ...weights };
  // The last round only judges where the last step led.
  for (let step = 0; step <= steps; step++) {
    const moving = group.filter(({ settled }) => !settled);
    if (moving.length === 0) break;
    const losses = await jointLoss(target, detector, {
      ...loss,
      inputs: moving.map(({ current }) => current),
      labels: moving.map(({ label }) => label),
      detectorWeights: moving.map(({ detectorWeight }) => detectorWeight),
      draws: await Promise.all(moving.map(({ current }) => copies(current))),
    });
    const stride = firstStep * epsilon * (1 - step / steps);
    for (const [index, row] of moving.entries()) {
      keepBest(row, losses[index]);
      if (row.settled || step === steps) continue;
      const { gradient, wrong } = losses[index];
      counted.asked++;
      if (!gradient.some((value) => value !== 0 && Number.isFinite(value))) counted.zero++;
      row.detectorWeight = paced(row.detectorWeight, wrong);
      row.current = moved(row, gradient, { epsilon, stride, range: target.range });
    }
    report((step + 1) / (steps + 1));
  }
  report(1);
}

function paced(weight: number, wrong: boolean): number {
  const { factor, least, most } = detectorWeightPace;
  return clipTo([least, most], wrong ? weight * factor : weight / factor);
}

function keepBest(row: DescendingRow, found: JointLoss): void {
  row.settled = found.settled;
  const { passing, loss } = row.bestLoss;
  if (found.settled || found.passing > passing || (found.passing === passing && found.loss < loss)) {
    row.best = row.current;
    row.bestLoss = found;
  }
}

function moved(
  { input, current }: DescendingRow,
  gradient: Float32Array,
  { epsilon, stride, range }: { epsilon: number; stride: number; range: readonly [number, number] },
): Float32Array {
  return current.map((value, index) => {
    const slope = gradient[index];
    const stepped = value - stride * (Number.isFinite(slope) ? Math.sign(slope) : 0);
    return clipTo(range, clipTo([input[index] - epsilon, input[index] + epsilon], stepped));
  });
}

// What an attack on model and guard together descends: the margin of the label and the detector's score, with the gradient.
import { assert } from '../../shared/assert.ts';
import type { ClassThreshold, VectorDesign } from '../../shared/contracts/detector-artefact.ts';
import { type ExtractionPlan, planCopies } from '../../shared/contracts/extraction.ts';
import type { Mlp } from '../../shared/detector/mlp.ts';
import { rowThreshold } from '../../shared/detector/row-threshold.ts';
import { argmax } from '../../shared/maths/nccr-vector.ts';
import { concatenateFloats, elementCount } from '../../shared/maths/tensor.ts';
import { transformInput } from '../../shared/maths/transforms.ts';
import { clipTo, runnerUp } from './attack.ts';
import type { AttackTarget } from './attack-target.ts';
import type { CopyDraw } from './copy-draws.ts';
import { scoreGradient } from './score-gradient.ts';
import { clipAdjoint, planesOf, transformAdjoint } from './transform-adjoint.ts';

/** The detector of a guard as its artefact gives it away. */
export interface KnownDetector {
  readonly plan: ExtractionPlan;
  readonly design: VectorDesign;
  readonly mlp: Mlp;
  /** An input is blocked where its score is greater. */
  readonly threshold: number;
  /** Thresholds of the classes that have their own. */
  readonly perClass?: readonly ClassThreshold[] | undefined;
}

/** How far the two parts of the loss are pressed. */
export interface JointLossOptions {
  /** How far under the threshold a score is pressed, in its own unit. */
  readonly slack: number;
  /** How far under 0 the margin is pressed, in logits. */
  readonly confidence: number;
}

/** Inputs with what perturbs each: the draws whose mean stands for the expectation. */
export interface DrawnInputs {
  /** One input each, [size]. */
  readonly inputs: readonly Float32Array[];
  readonly labels: readonly number[];
  /** Lambda of each input: weight of the detector's part against the margin's. */
  readonly detectorWeights: readonly number[];
  /** One list an input, at least one draw each. */
  readonly draws: readonly (readonly CopyDraw[])[];
}

/** The loss of one input. */
export interface JointLoss {
  readonly loss: number;
  /** [size]: by the input; zeros where the loss is at its floor. */
  readonly gradient: Float32Array;
  /** Whether the model gets the input itself wrong. */
  readonly wrong: boolean;
  /** Share of the draws in which the input is wrong and passes, as the attacker reckons, in [0, 1]. */
  readonly passing: number;
  /** Whether it is wrong and under the threshold by the slack in every draw. */
  readonly settled: boolean;
}

/**
 * `max(margin, -confidence) + lambda * mean over draws of relu(score - threshold + slack)`, where margin is the label's
 * logit less the best other one, and its gradient: by the logits of the input and of each copy in closed form, from there
 * by the model's vector-Jacobian product at each copy, summed back to the input through the copies.
 *
 * The copies of all inputs go through the model together.
 * @returns one loss an input
 * @see Carlini and Wagner, "Adversarial examples are not easily detected" (2017), section 3.1; Athalye, Engstrom, Ilyas
 *   and Kwok, "Synthesizing robust adversarial examples" (2018), section 2.1 (expectation over transformation)
 */
export async function jointLoss(
  target: AttackTarget,
  detector: KnownDetector,
  { inputs, labels, detectorWeights, draws, ...options }: DrawnInputs & JointLossOptions,
): Promise<JointLoss[]> {
  const views = inputs.map((input, index) => perturb(input, { draws: draws[index], target, detector }));
  const logits = await target.logits(
    concatenateFloats(views.flatMap(({ rows }) => rows.map(({ values }) => values))),
  );
  const { classes } = target;
  let first = 0;
  const parts = views.map((view, index) => {
    const end = first + view.rows.length;
    const own = logits.subarray(first * classes, end * classes);
    first = end;
    return lossByLogits(own, {
      view,
      label: labels[index],
      detectorWeight: detectorWeights[index],
      classes,
      detector,
      options,
    });
  });
  const gradients = await pullBack(target, views, parts);
  return parts.map(({ loss, wrong, passing, settled }, index) => ({
    loss,
    gradient: gradients[index],
    wrong,
    passing,
    settled,
  }));
}

/**
 * The threshold that a detector judges an input by.
 * @param logits [classes] of the input itself
 */
export function knownThreshold(
  { threshold, perClass }: Pick<KnownDetector, 'threshold' | 'perClass'>,
  logits: Float32Array,
): number {
  return rowThreshold({ value: threshold, per_class: perClass }, argmax(logits));
}

/** An input or a copy of it, and the way of a gradient back to the input. */
interface View {
  readonly values: Float32Array;
  readonly back: (gradient: Float32Array) => Float32Array;
}

/** All that is run of one input. */
interface PerturbedInput {
  /** The input first, then its distinct copies. */
  readonly rows: readonly View[];
  /** One list a draw: which rows are its copies, in the plan's order. */
  readonly draws: readonly (readonly number[])[];
}

function perturb(
  input: Float32Array,
  {
    draws,
    target: { inputShape, range },
    detector,
  }: { draws: readonly CopyDraw[]; target: AttackTarget; detector: KnownDetector },
): PerturbedInput {
  const rows: View[] = [{ values: input, back: (gradient) => gradient }];
  const known = new Map<string, number>();
  const indices = draws.map(({ noise, transforms }) => {
    assert(
      noise.length + transforms.length === planCopies(detector.plan),
      'a draw has the copies of the plan',
    );
    const noisy = noise.map((added) => {
      const values = input.map((value, index) => clipTo(range, value + added[index]));
      return rows.push({ values, back: (gradient) => clipAdjoint(gradient, values, range) }) - 1;
    });
    // Draws that share a transform share its copy.
    const transformed = transforms.map((transform) => {
      const key = JSON.stringify(transform);
      const place = known.get(key) ?? rows.length;
      if (place === rows.length) {
        const values = transformInput(planesOf(input, inputShape), transform, range);
        rows.push({
          values,
          back: (gradient) => transformAdjoint(planesOf(gradient, inputShape), transform),
        });
        known.set(key, place);
      }
      return place;
    });
    return [...noisy, ...transformed];
  });
  return { rows, draws: indices };
}

type LossByLogits = Omit<JointLoss, 'gradient'> & {
  /** Row-major [rows, classes]. */
  readonly seeds: Float32Array;
};

/** The loss of one input and its derivative by the logits of all its rows. */
function lossByLogits(
  logits: Float32Array,
  {
    view,
    label,
    detectorWeight,
    classes,
    detector,
    options: { slack, confidence },
  }: {
    view: PerturbedInput;
    label: number;
    detectorWeight: number;
    classes: number;
    detector: KnownDetector;
    options: JointLossOptions;
  },
): LossByLogits {
  const { plan, design, mlp } = detector;
  const seeds = new Float32Array(logits.length);
  const threshold = knownThreshold(detector, logits.subarray(0, classes));
  const rival = runnerUp(logits.subarray(0, classes), label);
  const margin = logits[label] - logits[rival];
  if (margin > -confidence) {
    seeds[label] += 1;
    seeds[rival] -= 1;
  }
  let loss = Math.max(margin, -confidence);
  let [passes, clear] = [0, 0];
  for (const copies of view.draws) {
    const rows = [0, ...copies];
    const drawn = concatenateFloats(rows.map((row) => logits.subarray(row * classes, (row + 1) * classes)));
    const { score, gradient } = scoreGradient({ logits: drawn, plan, classes }, design, mlp);
    if (score <= threshold) passes++;
    const excess = score - threshold + slack;
    if (excess <= 0) {
      clear++;
      continue;
    }
    const weight = detectorWeight / view.draws.length;
    loss += weight * excess;
    for (const [index, row] of rows.entries()) {
      for (let class_ = 0; class_ < classes; class_++)
        seeds[row * classes + class_] += weight * gradient[index * classes + class_];
    }
  }
  const passing = margin < 0 ? passes / view.draws.length : 0;
  return { loss, seeds, wrong: margin < 0, passing, settled: margin < 0 && clear === view.draws.length };
}

/** Takes the derivatives by the logits back to the inputs; rows whose seeds are all 0 are not run. */
async function pullBack(
  target: AttackTarget,
  views: readonly PerturbedInput[],
  parts: readonly LossByLogits[],
): Promise<Float32Array[]> {
  const { classes } = target;
  const size = elementCount(target.inputShape);
  const work = views.flatMap(({ rows }, input) =>
    rows
      .map((view, row) => ({
        view,
        input,
        seed: parts[input].seeds.subarray(row * classes, (row + 1) * classes),
      }))
      .filter(({ seed }) => seed.some((value) => value !== 0)),
  );
  const gradients = views.map(() => new Float32Array(size));
  if (work.length === 0) return gradients;
  const { gradient } = await target.vectorJacobian(
    concatenateFloats(work.map(({ view }) => view.values)),
    concatenateFloats(work.map(({ seed }) => seed)),
  );
  for (const [index, { view, input }] of work.entries()) {
    const part = view.back(gradient.subarray(index * size, (index + 1) * size));
    const sum = gradients[input];
    for (let element = 0; element < size; element++) sum[element] += part[element];
  }
  return gradients;
}

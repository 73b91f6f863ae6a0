// The attacks of the report on a guard, each run at every budget: which images it turns.
import { designReads } from '../../shared/contracts/detector-artefact.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import { adaptivePgd } from '../attacks/adaptive-pgd.ts';
import { type AttackExamples, type AttackInputs, predictedLabel } from '../attacks/attack.ts';
import type { AttackTarget } from '../attacks/attack-target.ts';
import { boundary } from '../attacks/boundary.ts';
import { type DrawCopies, hasSecret, knownCopies, secretCopies } from '../attacks/copy-draws.ts';
import { guardedTarget } from '../attacks/guarded-target.ts';
import type { KnownDetector } from '../attacks/joint-loss.ts';
import { pgd } from '../attacks/pgd.ts';
import { randomNoise } from '../attacks/random-noise.ts';
import { square } from '../attacks/square.ts';
import type { Extractor } from '../calibrate/extract-rows.ts';
import type { StageProgress } from '../calibrate/training-inputs.ts';
import type { Dataset } from '../datasets/dataset.ts';
import type { GuardAttackOptions } from './guard-attack.ts';
import { batchedGuard, guardVerdicts } from './guard-verdicts.ts';

/** What an attack has to see: gradients of model and detector, answers alone, or nothing. */
export type AttackSight = 'gradients' | 'answers' | 'nothing';

/** One attack over all budgets. */
export interface AttackRun {
  readonly attack: string;
  readonly sees: AttackSight;
  /** One list a budget, [images]: 1 where the image is wrong and, behind a guard, passes. */
  readonly lost: readonly Uint8Array[];
  /** One array a budget, row-major [images, ...inputShape]: the tries. */
  readonly tried: readonly Float32Array[];
}

/** What all runs share. */
export interface RunContext {
  readonly detector: KnownDetector;
  readonly extractor: Extractor;
  readonly target: AttackTarget;
  readonly tested: Dataset;
  readonly options: GuardAttackOptions;
  readonly onStage: StageProgress;
}

/** An attack that is run anew at each radius, or once where it seeks the nearest example. */
type RunAttack = (epsilon: number, onProgress: (share: number) => void) => Promise<AttackExamples>;

/** Float32 rounding of an example at the edge of its ball. */
const rounding = 1e-5;

/** The attacks on the model alone, the strongest kind of each sight: PGD on the margin, Square, boundary, and noise. */
export async function attackBare(context: RunContext): Promise<AttackRun[]> {
  const { target, tested, options } = context;
  const { inputs, labels } = tested;
  const { steps, seed } = options;
  const judgeTries = async (tried: Float32Array) => {
    const logits = await target.logits(tried);
    return Uint8Array.from(labels, (label, row) =>
      predictedLabel(logits, row, target.classes) === label ? 0 : 1,
    );
  };
  const pgdMargin: RunAttack = (epsilon, onProgress) =>
    pgd(target, { inputs, labels }, { epsilon, steps, randomStart: seed, loss: 'margin', onProgress });
  const noise: RunAttack = (epsilon) =>
    randomNoise(target, { inputs, labels }, { kind: 'uniform', epsilon, seed });
  const search = searches(options, (attack) => attack(target, { inputs, labels }));
  return [
    await runEach('pgd', 'gradients', pgdMargin, { ...context, judgeTries }),
    await runEach('square', 'answers', search.square, { ...context, judgeTries }),
    await runOnce('boundary', search.boundary, { ...context, judgeTries }),
    await runEach('uniform-noise', 'nothing', noise, { ...context, judgeTries }),
  ];
}

/**
 * The attacks on model and guard: PGD and noise made without the guard in mind (those of `bare`, judged anew), PGD with
 * the detector in its loss by what it knows of the noise, and the searches on the guard's answers. A design on neurons has
 * no gradient here: the attacks with the detector in their loss are left out, which `maskingFlags` says.
 */
export async function attackGuard(
  context: RunContext,
  bare: readonly AttackRun[],
): Promise<{ runs: AttackRun[]; zeroGradients: number }> {
  const { detector, extractor, target, tested, options } = context;
  const { inputs, labels } = tested;
  const judgeTries = async (tried: Float32Array) => {
    const { logits, passed } = await guardVerdicts(extractor, detector, tried);
    return Uint8Array.from(labels, (label, row) =>
      passed[row] === 1 && predictedLabel(logits, row, target.classes) !== label ? 1 : 0,
    );
  };
  const judged = { ...context, judgeTries };
  const runs: AttackRun[] = [];
  let zeroGradients = 0;
  for (const { attack, sees, tried } of bare) {
    if (sees === 'answers') continue;
    const lost: Uint8Array[] = [];
    for (const tries of tried) lost.push(await judgeTries(tries));
    runs.push({ attack: attack === 'pgd' ? 'pgd-unaware' : attack, sees, tried, lost });
  }
  for (const [attack, copies] of await knowledges(context)) {
    const run: RunAttack = async (epsilon, onProgress) => {
      const { steps, seed } = options;
      const given = { inputs, labels, epsilon, steps, seed, copies, onProgress };
      const examples = await adaptivePgd(target, detector, given);
      zeroGradients = Math.max(zeroGradients, examples.zeroGradients);
      return examples;
    };
    runs.push(await runEach(attack, 'gradients', run, judged));
  }
  const askGuard = batchedGuard(extractor, detector);
  const search = searches(options, (attack) =>
    attackByLabel({ inputs, labels }, (label, rows) =>
      attack(guardedTarget(target, { label, askGuard }), rows),
    ),
  );
  runs.push(await runEach('square', 'answers', search.square, judged));
  runs.push(await runOnce('boundary', search.boundary, judged));
  return { runs, zeroGradients };
}

/** PGD with the detector in its loss, by what the attacker knows of the copies. */
async function knowledges({
  detector: { plan, design },
  extractor,
  target,
  options: { draws, seed },
}: RunContext): Promise<[string, DrawCopies][]> {
  const { neurons, levels } = designReads[design];
  if (neurons || levels) return [];
  const inputSize = elementCount(target.inputShape);
  const known = await knownCopies(plan, { key: extractor.noiseKey, inputSize });
  if (!hasSecret(plan)) return [['adaptive-white-box', known]];
  return [
    ['adaptive-known', known],
    ['adaptive-secret', await secretCopies(plan, { draws, seed, inputSize })],
  ];
}

type OnTarget = (target: AttackTarget, inputs: AttackInputs) => Promise<AttackExamples>;

/** Square and boundary at the same number of questions. */
function searches(
  { queries, seed }: GuardAttackOptions,
  attackTargets: (attack: OnTarget) => Promise<AttackExamples>,
): { square: RunAttack; boundary: (onProgress: (share: number) => void) => Promise<AttackExamples> } {
  return {
    square: (epsilon, onProgress) =>
      attackTargets((target, inputs) => square(target, inputs, { epsilon, queries, seed, onProgress })),
    // A step asks twice.
    boundary: (onProgress) =>
      attackTargets((target, inputs) =>
        boundary(target, inputs, { steps: Math.ceil(queries / 2), seed, onProgress }),
      ),
  };
}

/** Attacks the inputs of each label on a target of their own, all at once, and puts their tries in order again. */
async function attackByLabel(
  { inputs, labels }: AttackInputs,
  attack: (label: number, inputs: AttackInputs) => Promise<AttackExamples>,
): Promise<AttackExamples> {
  const size = inputs.length / labels.length;
  const rowsOf = Map.groupBy(
    Array.from({ length: labels.length }, (_, row) => row),
    (row) => labels[row],
  );
  const whole: AttackExamples = {
    inputs: new Float32Array(inputs.length),
    success: new Uint8Array(labels.length),
    epsilon: new Float32Array(labels.length),
    l2: new Float32Array(labels.length),
  };
  await Promise.all(
    Array.from(rowsOf, async ([label, rows]) => {
      const own = new Float32Array(rows.length * size);
      for (const [index, row] of rows.entries())
        own.set(inputs.subarray(row * size, (row + 1) * size), index * size);
      const found = await attack(label, { inputs: own, labels: rows.map(() => label) });
      for (const [index, row] of rows.entries()) {
        whole.inputs.set(found.inputs.subarray(index * size, (index + 1) * size), row * size);
        whole.success[row] = found.success[index];
        whole.epsilon[row] = found.epsilon[index];
        whole.l2[row] = found.l2[index];
      }
    }),
  );
  return whole;
}

interface JudgedContext extends RunContext {
  readonly judgeTries: (tried: Float32Array) => Promise<Uint8Array>;
}

async function runEach(
  attack: string,
  sees: AttackSight,
  run: RunAttack,
  { options: { budgets }, onStage, judgeTries }: JudgedContext,
): Promise<AttackRun> {
  const lost: Uint8Array[] = [];
  const tried: Float32Array[] = [];
  for (const epsilon of budgets) {
    const stage = `${attack} @${epsilon}`;
    const { inputs } = await run(epsilon, (share) => onStage(stage, share));
    tried.push(inputs);
    lost.push(await judgeTries(inputs));
  }
  return { attack, sees, lost, tried };
}

/** The boundary attack ends where it ends: its example counts at the budgets that hold it. */
async function runOnce(
  attack: string,
  run: (onProgress: (share: number) => void) => Promise<AttackExamples>,
  { options: { budgets }, tested, onStage, judgeTries }: JudgedContext,
): Promise<AttackRun> {
  const { inputs } = await run((share) => onStage(attack, share));
  const judged = await judgeTries(inputs);
  const size = inputs.length / tested.labels.length;
  const radius = Float64Array.from(tested.labels, (_, row) => {
    let largest = 0;
    for (let index = row * size; index < (row + 1) * size; index++)
      largest = Math.max(largest, Math.abs(inputs[index] - tested.inputs[index]));
    return largest;
  });
  const lost = budgets.map((epsilon) =>
    judged.map((value, row) => (radius[row] <= epsilon + rounding ? value : 0)),
  );
  return { attack, sees: 'answers', lost, tried: budgets.map(() => inputs) };
}

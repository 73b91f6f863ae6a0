// Makes the inputs that a recipe asks for: attacked, noisy and shifted copies of images that the model gets right.

import { GuardError } from '../../shared/errors.ts';
import { normal, permutation, seededRandom } from '../../shared/maths/random.ts';
import { concatenateFloats, elementCount } from '../../shared/maths/tensor.ts';
import { type AttackExamples, clipTo, predictedLabel } from '../attacks/attack.ts';
import type { AttackName } from '../attacks/attack-by-name.ts';
import type { AttackTarget } from '../attacks/attack-target.ts';
import { type RunAttack, runAttack } from '../attacks/run-attack.ts';
import { shiftImagesAtRandom } from '../datasets/clean-shifts.ts';
import { type Dataset, selectDatasetRows } from '../datasets/dataset.ts';
import type { ForeignExamples } from '../datasets/foreign-examples.ts';
import type { TrainingPool, TrainingSource } from './training-recipes.ts';

/** Told about each stage of the work. */
export type StageProgress = (stage: string, share: number) => void;

/** What copies are made of, and how strong fixed attacks are. */
export interface SourceContext {
  readonly target: AttackTarget;
  /** Inputs that the model gets right. */
  readonly dataset: Dataset;
  /** Radii of the fixed attacks, rising, in units of the input. */
  readonly budgets: readonly number[];
  /** Bound of the plan's last noise, the strongest where there are several; noisy copies are no stronger. */
  readonly noise: number;
  readonly seed: number;
  /** Inputs already made, by their source: recipes share sources. */
  readonly made: Map<string, MadeInputs>;
  /** How attacks are run; each time anew where it is not given. */
  readonly run?: RunAttack | undefined;
}

/** Inputs of one source. */
export interface MadeInputs {
  /** Row-major [rows, ...inputShape]. */
  readonly inputs: Float32Array;
  /** [rows]: which image of the context's data set each was made of. */
  readonly origins: Int32Array;
}

/** The inputs of one pool. */
export interface PoolInputs extends Omit<TrainingPool, 'sources'> {
  /** One a source; a source that recipes share is the same object in each. */
  readonly parts: readonly MadeInputs[];
  /** What each part was made by. */
  readonly sources: readonly TrainingSource[];
}

/** Parts that a set is cut into where every image has an epsilon of its own. */
const drawnEpsilons = 16;

/**
 * The rows of a data set that the model labels as the data set does.
 * @throws GuardError `invalid_dataset` where there is none
 */
export async function correctRows(target: AttackTarget, dataset: Dataset): Promise<Dataset> {
  return selectDatasetRows(dataset, await correctRowNumbers(target, dataset));
}

async function correctRowNumbers(target: AttackTarget, dataset: Dataset): Promise<number[]> {
  const logits = await target.logits(dataset.inputs);
  const rows = Array.from(dataset.labels.keys()).filter(
    (row) => predictedLabel(logits, row, target.classes) === dataset.labels[row],
  );
  if (rows.length === 0) {
    const detail = `the model labels none of the ${dataset.labels.length} inputs of ${dataset.name} right`;
    throw new GuardError('invalid_dataset', detail);
  }
  return rows;
}

/**
 * Makes the inputs of every pool of a recipe; a source that is in `context.made` is not made again.
 * @returns pools in the recipe's order
 * @throws GuardError `invalid_dataset` where an attack never succeeds
 */
export async function poolInputs(
  pools: readonly TrainingPool[],
  context: SourceContext,
  onStage: StageProgress,
): Promise<PoolInputs[]> {
  const filled: PoolInputs[] = [];
  for (const { adversarial, mass, sources } of pools) {
    const parts: MadeInputs[] = [];
    for (const source of sources) {
      const key = JSON.stringify(source);
      const known = context.made.get(key);
      const made =
        known ?? (await sourceInputs(source, context, (share) => onStage(sourceName(source), share)));
      context.made.set(key, made);
      parts.push(made);
    }
    filled.push({ adversarial, mass, parts, sources });
  }
  return filled;
}

/** Numbers of the rows on which an attack succeeded. */
function successfulRows({ success }: Pick<AttackExamples, 'success'>): number[] {
  return Array.from(success.keys()).filter((row) => success[row] === 1);
}

/** The successful rows of an attack, [successes, ...inputShape]. */
export function successfulInputs({
  inputs,
  success,
}: Pick<AttackExamples, 'inputs' | 'success'>): Float32Array {
  const size = inputs.length / success.length;
  return concatenateFloats(
    successfulRows({ success }).map((row) => inputs.subarray(row * size, (row + 1) * size)),
  );
}

/**
 * Foreign examples that the model really gets wrong; all of them where their file has no labels.
 * @throws GuardError `invalid_dataset` where there is none
 */
export async function wrongForeign(
  target: AttackTarget,
  { inputs, labels, name }: ForeignExamples,
): Promise<Float32Array> {
  if (labels === undefined) return inputs;
  const logits = await target.logits(inputs);
  const success = Uint8Array.from(labels, (label, row) =>
    predictedLabel(logits, row, target.classes) === label ? 0 : 1,
  );
  if (!success.includes(1)) {
    throw new GuardError('invalid_dataset', `the model gets all ${labels.length} examples of ${name} right`);
  }
  return successfulInputs({ inputs, success });
}

/** Noise that nobody optimised: what an epsilon does without an attack behind it, commonly nothing. */
const controls: readonly AttackName[] = ['gaussian-noise', 'uniform-noise'];

/**
 * Runs an attack that must find something, or a control, which need not.
 * @throws GuardError `invalid_dataset` where an attack never succeeds
 */
export async function attackDataset(
  attack: AttackName,
  {
    target,
    dataset,
    epsilon,
    seed,
    run = runAttack,
  }: {
    target: AttackTarget;
    dataset: Dataset;
    epsilon: number;
    seed: number;
    run?: RunAttack | undefined;
  },
  onProgress: (share: number) => void,
): Promise<AttackExamples> {
  const attacked = { inputs: dataset.inputs, labels: dataset.labels };
  const examples = await run(attack, target, attacked, { epsilon, seed, onProgress });
  onProgress(1);
  if (!examples.success.includes(1) && !controls.includes(attack)) throw neverSucceeded(attack, dataset);
  return examples;
}

async function sourceInputs(
  source: TrainingSource,
  context: SourceContext,
  onProgress: (share: number) => void,
): Promise<MadeInputs> {
  const { target, seed, run = runAttack } = context;
  const { dataset, origins } = shareOf(context.dataset, source.share, seed);
  switch (source.kind) {
    case 'clean':
      return { inputs: dataset.inputs, origins };
    case 'noisy':
      return { inputs: noisyCopies(target, dataset.inputs, context), origins };
    case 'shifted': {
      const copies: Float32Array[] = [];
      const made: number[] = [];
      for (let copy = 0; copy < source.copies; copy++) {
        const inputs = await shiftImagesAtRandom(dataset, seed + copy);
        const shifted = { ...dataset, inputs };
        const right = await correctRowNumbers(target, shifted);
        copies.push(selectDatasetRows(shifted, right).inputs);
        made.push(...right.map((row) => origins[row]));
        onProgress((copy + 1) / source.copies);
      }
      return { inputs: concatenateFloats(copies), origins: Int32Array.from(made) };
    }
    case 'attack': {
      const parts = splitByEpsilon(source, dataset, context);
      const found: Float32Array[] = [];
      const made: number[] = [];
      for (const [index, part] of parts.entries()) {
        const attacked = { inputs: part.dataset.inputs, labels: part.dataset.labels };
        const inner = (share: number) => onProgress((index + share) / parts.length);
        const options = { epsilon: part.epsilon, seed: seed + index, onProgress: inner };
        const examples = await run(source.attack, target, attacked, options);
        found.push(successfulInputs(examples));
        made.push(...successfulRows(examples).map((row) => origins[part.rows[row]]));
      }
      if (made.length === 0) throw neverSucceeded(source.attack, dataset);
      return { inputs: concatenateFloats(found), origins: Int32Array.from(made) };
    }
  }
}

/** The runs of an attack: one, one a budget, or one for each of many drawn radii; with the rows of each. */
function splitByEpsilon(
  { epsilon }: Extract<TrainingSource, { kind: 'attack' }>,
  dataset: Dataset,
  { budgets, seed }: SourceContext,
): { dataset: Dataset; rows: readonly number[]; epsilon: number }[] {
  const all = Array.from(dataset.labels.keys());
  if (epsilon === undefined) return [{ dataset, rows: all, epsilon: budgets[0] }];
  if (epsilon === 'each') return budgets.map((budget) => ({ dataset, rows: all, epsilon: budget }));
  // A little beyond the budgets on both sides, evenly in logarithm, so that no radius is learnt by heart.
  const [low, high] = [0.7 * budgets[0], 1.22 * budgets[budgets.length - 1]];
  const random = seededRandom(seed);
  const count = dataset.labels.length;
  const parts = Math.min(drawnEpsilons, count);
  return Array.from({ length: parts }, (_, part) => {
    const rows = all.filter((row) => row % parts === part);
    return { dataset: selectDatasetRows(dataset, rows), rows, epsilon: low * (high / low) ** random() };
  });
}

/** A share of the rows, drawn by the seed; the whole set as it is where the share is 1. */
function shareOf(dataset: Dataset, share: number, seed: number): { dataset: Dataset; origins: Int32Array } {
  const count = dataset.labels.length;
  const kept = Math.max(1, Math.round(share * count));
  if (kept === count) return { dataset, origins: Int32Array.from(dataset.labels.keys()) };
  const origins = Int32Array.from(permutation(count, seededRandom(seed)).subarray(0, kept));
  return { dataset: selectDatasetRows(dataset, origins), origins };
}

function noisyCopies(
  target: AttackTarget,
  inputs: Float32Array,
  { noise, seed }: SourceContext,
): Float32Array {
  const random = seededRandom(seed);
  const size = elementCount(target.inputShape);
  let deviation = 0;
  return inputs.map((value, index) => {
    if (index % size === 0) deviation = (noise / 2) * random();
    return clipTo(target.range, value + deviation * normal(random));
  });
}

function neverSucceeded(attack: AttackName, { labels, name }: Dataset): GuardError {
  return new GuardError(
    'invalid_dataset',
    `${attack} never succeeded on the ${labels.length} inputs of ${name}`,
  );
}

function sourceName(source: TrainingSource): string {
  if (source.kind !== 'attack') return `${source.kind} inputs`;
  return source.epsilon === 'drawn' ? `${source.attack} (drawn)` : source.attack;
}

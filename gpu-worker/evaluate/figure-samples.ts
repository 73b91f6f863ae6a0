// What the paper's figures show, measured: activations of a layer, and NCCR of clean, adversarial and poisoned inputs.
import type { PoisonRecipe } from '../../shared/contracts/poison-recipe.ts';
import { GuardError } from '../../shared/errors.ts';
import { elementCount, float32Tensor } from '../../shared/maths/tensor.ts';
import { predictedLabel } from '../attacks/attack.ts';
import type { AttackName } from '../attacks/attack-by-name.ts';
import type { AttackTarget } from '../attacks/attack-target.ts';
import type { RunAttack } from '../attacks/run-attack.ts';
import { type Dataset, datasetRow, selectDatasetRows } from '../datasets/dataset.ts';
import { poisonDataset } from '../triggers/poison-dataset.ts';
import { meanOverSets, measureNccr, type ReadableModel } from './measure-nccr.ts';
import { perturbRows, type SetNoise } from './noise-sets.ts';

/** Told of the work as it goes. */
type OnStage = (stage: string, share: number) => void;

/** Some inputs of one kind and the NCCR of each. */
export interface NccrSeries {
  readonly name: string;
  /** Raw l2 NCCR, the mean over the sets of noise: one number an input. */
  readonly values: Float64Array;
}

/** One row of the heat map. */
export interface ActivationRow {
  readonly kind: 'clean' | 'with noise' | 'adversarial';
  /** Number of the image in the figure, from 1. */
  readonly image: number;
  readonly label: number;
  readonly predicted: number;
  /** [neurons]. */
  readonly values: Float32Array;
}

/** Neurons of a layer that the heat map has at most: the first ones. */
export const heatNeuronsMax = 128;
/** Images that it has. */
const heatImages = 6;

/** Examples of one attack. */
export interface FoundExamples {
  readonly name: string;
  readonly attack: AttackName;
  /** Number of the row in the data set that each was made from. */
  readonly rows: readonly number[];
  /** With the labels of the images that they were made from. */
  readonly examples: Dataset;
}

/**
 * Attacks what the model labels right, and keeps what succeeds.
 * @throws GuardError `invalid_dataset` where the model labels nothing right, or an attack turns none of it
 */
export async function findExamples(
  { target, run }: { readonly target: AttackTarget; readonly run: RunAttack },
  dataset: Dataset,
  {
    attacks,
    epsilon,
    seed,
    onStage,
  }: { attacks: readonly AttackName[]; epsilon: number; seed: number; onStage: OnStage },
): Promise<FoundExamples[]> {
  const logits = await target.logits(dataset.inputs);
  const right = Array.from(dataset.labels.keys()).filter(
    (row) => predictedLabel(logits, row, target.classes) === dataset.labels[row],
  );
  if (right.length === 0) {
    throw new GuardError('invalid_dataset', `the model labels no image of ${dataset.name} right`);
  }
  const attacked = selectDatasetRows(dataset, right);
  const found: FoundExamples[] = [];
  for (const attack of attacks) {
    const onProgress = (share: number) => onStage(attack, share);
    const { inputs, success } = await run(attack, target, attacked, { epsilon, seed, onProgress });
    const kept = right.map((_, index) => index).filter((index) => success[index] === 1);
    if (kept.length === 0) {
      throw new GuardError(
        'invalid_dataset',
        `${attack} turns none of the ${right.length} images: name another --attack`,
      );
    }
    const rows = kept.map((index) => right[index]);
    found.push({ name: attack, attack, rows, examples: selectDatasetRows({ ...attacked, inputs }, kept) });
  }
  return found;
}

/** NCCR of the inputs of a data set under a bound of noise. */
export async function nccrSeries(
  readable: ReadableModel,
  dataset: Dataset,
  { name, noise, onStage }: { name: string; noise: SetNoise; onStage: OnStage },
): Promise<NccrSeries> {
  const onProgress = (share: number) => onStage(`NCCR of ${name} at ${noise.epsilon.toPrecision(3)}`, share);
  const { l2 } = await measureNccr(readable, dataset, { noise, onProgress });
  return { name, values: meanOverSets(l2) };
}

/** Clean images of other classes than the target, the same with the trigger, and how often the model falls for it. */
export interface TriggeredImages {
  readonly clean: Dataset;
  readonly poisoned: Dataset;
  /** Share of the images with the trigger that the model gives the target's label. */
  readonly success: number;
}

/**
 * Plants a recipe's trigger in every image of another class than its target.
 * @throws GuardError `invalid_dataset` where the images cannot hold it
 */
export async function triggeredImages(
  target: AttackTarget,
  dataset: Dataset,
  recipe: PoisonRecipe,
): Promise<TriggeredImages> {
  const { range, classes } = target;
  const { trigger } = poisonDataset(dataset, recipe, { range });
  const others = Array.from(dataset.labels.keys()).filter((row) => dataset.labels[row] !== recipe.target);
  const clean = selectDatasetRows(dataset, others);
  const inputs = trigger(clean);
  const logits = await target.logits(inputs);
  const fallen = others.filter((_, row) => predictedLabel(logits, row, classes) === recipe.target);
  return { clean, poisoned: { ...clean, inputs }, success: fallen.length / others.length };
}

/**
 * Activations of one layer for the first images that an attack turned: as they are, with noise, and as the attack left them.
 * @param readable with the layer as its only tap
 */
export async function activationRows(
  { model, classes, widths }: ReadableModel,
  dataset: Dataset,
  { found, noise }: { found: FoundExamples; noise: SetNoise },
): Promise<ActivationRow[]> {
  const size = elementCount(dataset.inputShape);
  const rows: ActivationRow[] = [];
  for (const [index, row] of found.rows.slice(0, heatImages).entries()) {
    const clean = datasetRow(dataset, row);
    const kinds: [ActivationRow['kind'], Float32Array][] = [
      ['clean', clean],
      ['with noise', perturbRows(clean, noise, { set: 0, first: row, size })],
      ['adversarial', datasetRow(found.examples, index)],
    ];
    for (const [kind, input] of kinds) {
      const answer = await model.run({ x: float32Tensor(input.slice(), [1, ...dataset.inputShape]) });
      const values = (answer.tap_0.data as Float32Array).subarray(0, Math.min(widths[0], heatNeuronsMax));
      const predicted = predictedLabel(answer.logits.data as Float32Array, 0, classes);
      rows.push({ kind, image: index + 1, label: dataset.labels[row], predicted, values });
    }
  }
  return rows;
}

// Folds of the training images, each with the copies that candidates are trained and tested on, extracted once.
import { assert } from '../../shared/assert.ts';
import type { AttackTarget } from '../attacks/attack-target.ts';
import type { RunAttack } from '../attacks/run-attack.ts';
import { reportedShifts, shiftImages, shiftName } from '../datasets/clean-shifts.ts';
import { type Dataset, selectDatasetRows } from '../datasets/dataset.ts';
import { type ExtractedRows, type Extractor, extractRows } from './extract-rows.ts';
import { correctRows, type MadeInputs, poolInputs, type StageProgress } from './training-inputs.ts';
import type { TrainingSource } from './training-recipes.ts';

/** Attacks that end on the decision boundary, and those that keep to a radius: the two tails. */
export type Tail = 'smallest' | 'fixed';

/** What candidates are tested on, a name each. C&W, DeepFool and PGD on the margin are what no recipe trains on. */
const testSources: readonly { readonly tail: Tail; readonly source: AttackSource }[] = [
  { tail: 'smallest', source: { kind: 'attack', attack: 'fgsm', share: 3 / 8 } },
  { tail: 'smallest', source: { kind: 'attack', attack: 'pgd', share: 3 / 8 } },
  { tail: 'smallest', source: { kind: 'attack', attack: 'jsma', share: 1 / 8 } },
  { tail: 'smallest', source: { kind: 'attack', attack: 'carlini-wagner', share: 1 / 8 } },
  { tail: 'smallest', source: { kind: 'attack', attack: 'deepfool', share: 1 / 8 } },
  { tail: 'fixed', source: { kind: 'attack', attack: 'fgsm-fixed', share: 1 / 2, epsilon: 'each' } },
  { tail: 'fixed', source: { kind: 'attack', attack: 'pgd-fixed', share: 1 / 2, epsilon: 'each' } },
  { tail: 'fixed', source: { kind: 'attack', attack: 'pgd-margin-fixed', share: 1 / 8, epsilon: 'each' } },
];
type AttackSource = Extract<TrainingSource, { kind: 'attack' }>;

/** Images of a fold that each shift is tried on: with three folds the rate of one is known to about a point. */
const shiftedImagesMax = 150;

/** Rows of one fold under the plan of all copies. */
export interface Fold {
  /** Every image, those that the model gets wrong included: what a threshold is set on. */
  readonly all: ExtractedRows;
  /** Images that the model gets right. */
  readonly clean: ExtractedRows;
  /** Adversarial examples by the name of their attack. */
  readonly attacks: readonly { readonly attack: string; readonly tail: Tail; readonly rows: ExtractedRows }[];
  /** Shifted images that are still right, by the name of their shift. */
  readonly shifts: readonly { readonly shift: string; readonly rows: ExtractedRows }[];
  /** What a recipe trains on. */
  source(source: TrainingSource): ExtractedRows;
}

/** What folds are made from. */
export interface FoldInputs {
  readonly extractor: Extractor;
  readonly target: AttackTarget;
  /** The images of training, in the order that they were drawn in. */
  readonly dataset: Dataset;
  readonly run?: RunAttack | undefined;
}

/** How folds are made. */
export interface FoldOptions {
  readonly folds: number;
  /** What the recipes of the candidates train on, in any order; those that are named twice are made once. */
  readonly sources: readonly TrainingSource[];
  readonly budgets: readonly number[];
  readonly seed: number;
}

/**
 * Splits the images and makes every fold's copies from its own images alone, so that a clean image and what was made of it
 * never stand on both sides.
 * @throws GuardError `invalid_dataset` where the model gets no image of a fold right or an attack never succeeds on one
 */
export async function foldRows(
  { extractor, target, dataset, run }: FoldInputs,
  { folds, sources, budgets, seed }: FoldOptions,
  onStage: StageProgress,
): Promise<Fold[]> {
  const noise = extractor.compiled.plan.noise[0]?.epsilon ?? budgets[0];
  const wanted = [...sources, ...testSources.map(({ source }) => source)];
  const made: Fold[] = [];
  for (let fold = 0; fold < folds; fold++) {
    const stage = (name: string) => `fold ${fold + 1} of ${folds}: ${name}`;
    const images = foldImages(dataset, { fold, folds });
    const correct = await correctRows(target, images);
    const context = {
      target,
      dataset: correct,
      budgets,
      noise,
      // Folds draw noise, shifts and radii of their own.
      seed: seed + 1000 * fold,
      made: new Map<string, MadeInputs>(),
      run,
    };
    const extracted = (name: string, inputs: Float32Array) =>
      extractRows(extractor, inputs, (share) => onStage(stage(`extract ${name}`), share));
    await poolInputs([{ adversarial: true, mass: 1, sources: wanted }], context, (name, share) =>
      onStage(stage(name), share),
    );
    const bySource = new Map<string, ExtractedRows>();
    for (const [key, { inputs }] of context.made) bySource.set(key, await extracted('examples', inputs));
    const source = (wantedSource: TrainingSource) => {
      const rows = bySource.get(JSON.stringify(wantedSource));
      assert(rows !== undefined, `folds were made with ${JSON.stringify(wantedSource)}`);
      return rows;
    };
    const shifts: Fold['shifts'][number][] = [];
    const few = firstRows(correct, shiftedImagesMax);
    for (const [index, shift] of reportedShifts.entries()) {
      const inputs = await shiftImages(few, shift, context.seed + 100 + index);
      const right = await correctRows(target, { ...few, inputs });
      shifts.push({ shift: shiftName(shift), rows: await extracted('shifted', right.inputs) });
    }
    made.push({
      all: await extracted('clean', images.inputs),
      clean: await extracted('clean', correct.inputs),
      attacks: testSources.map(({ tail, source: tested }) => ({
        attack: tested.attack,
        tail,
        rows: source(tested),
      })),
      shifts,
      source,
    });
  }
  return made;
}

/** Every image of a fold: rows fold, fold + folds, and so on. */
function foldImages(dataset: Dataset, { fold, folds }: { fold: number; folds: number }): Dataset {
  const rows = Array.from(dataset.labels.keys()).filter((row) => row % folds === fold);
  return selectDatasetRows(dataset, rows);
}

function firstRows(dataset: Dataset, count: number): Dataset {
  const rows = Array.from(dataset.labels.keys()).slice(0, count);
  return selectDatasetRows(dataset, rows);
}

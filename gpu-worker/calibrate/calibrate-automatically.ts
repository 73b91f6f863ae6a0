// A calibration that chooses its vector design and its copies by cross-validation, from one extraction of all copies.
import type { DetectorArtefact, Selection, VectorDesign } from '../../shared/contracts/detector-artefact.ts';
import { conformalSamplesNeeded } from '../../shared/detector/conformal-threshold.ts';
import { GuardError } from '../../shared/errors.ts';
import { checkDataset } from '../datasets/dataset.ts';
import {
  artefactOf,
  type CalibrationInputs,
  type CalibrationOptions,
  imagesUsed,
  splitDataset,
} from './calibrate-detector.ts';
import { foldPools, shorterRecipe } from './cross-validate.ts';
import { designVectors, extractRows, predictedLabels } from './extract-rows.ts';
import { fitDetector, scoreVectors } from './fit-detector.ts';
import { foldRows } from './fold-rows.ts';
import { narrowRows } from './narrow-rows.ts';
import { poolCount } from './pool-samples.ts';
import { type SelectionOptions, selectCandidate, triedDesigns } from './select-candidate.ts';
import type { StageProgress } from './training-inputs.ts';
import { recipeAttacks, trainingRecipes } from './training-recipes.ts';

/** Parts that the images of training are cut into: two are trained on, the third is tested on. */
const folds = 3;

/** An artefact that says how it was chosen. */
export type SelectedArtefact = DetectorArtefact & {
  readonly calibration: { readonly selection: Selection };
};

/**
 * Calibrates a detector of the design and over the copies that cross-validation on the images of training chooses; those
 * that set the threshold take no part in the choice, so it keeps its promise.
 * @param inputs their extractor makes every copy that a candidate may read
 * @returns the artefact, whose plan has only the copies that its design reads, not signed
 * @throws GuardError `invalid_dataset` where the data set does not fit the model or is too small for the target rate
 * @see NCCR, section 5.1
 */
export async function calibrateAutomatically(
  { extractor, target, dataset, run }: Omit<CalibrationInputs, 'foreign'>,
  options: Omit<CalibrationOptions, 'design'> & Pick<SelectionOptions, 'stepsShares'>,
  onStage: StageProgress,
): Promise<SelectedArtefact> {
  const { seed, budgets, targetFpr } = options;
  checkDataset(dataset, { inputShape: target.inputShape, classes: target.classes });
  const [trainingSet, thresholdSet] = splitDataset(dataset, options);
  requireFolds(trainingSet.labels.length, targetFpr);
  const sources = (Object.keys(triedDesigns) as VectorDesign[]).flatMap((design) =>
    trainingRecipes[design].pools.flatMap((pool) => pool.sources),
  );
  const rows = await foldRows(
    { extractor, target, dataset: trainingSet, run },
    { folds, sources, budgets, seed },
    onStage,
  );
  const { transforms } = extractor.compiled.plan;
  const { candidate, stepsShare, selection } = selectCandidate(
    rows,
    { transforms, targetFpr, seed, ...(options.stepsShares && { stepsShares: options.stepsShares }) },
    onStage,
  );
  onStage('train', 0);
  const recipe = shorterRecipe(candidate, stepsShare);
  const pools = foldPools(rows, candidate);
  const mlp = fitDetector(pools, recipe, seed);
  const all = await extractRows(extractor, thresholdSet.inputs, (share) =>
    onStage('extract threshold set', share),
  );
  const narrow = narrowRows(all, candidate);
  const vectors = designVectors(narrow, candidate.design);
  const scores = scoreVectors(mlp, vectors);
  const count = (side: boolean) =>
    pools.filter(({ adversarial }) => adversarial === side).reduce((sum, pool) => sum + poolCount(pool), 0);
  return {
    ...artefactOf({ mlp, vectors, scores, predicted: predictedLabels(narrow) }, narrow, {
      ...options,
      design: candidate.design,
    }),
    calibration: {
      seed,
      dataset: dataset.name,
      ...imagesUsed({ trainingSet, thresholdSet }, { clean: count(false), adversarial: count(true) }),
      attacks: recipeAttacks(recipe),
      selection,
    },
  };
}

/** Each fold sets a threshold of its own to count false positives by. */
function requireFolds(images: number, targetFpr: number): void {
  const needed = conformalSamplesNeeded(targetFpr);
  if (Math.floor(images / folds) >= needed) return;
  const detail = `choosing a design at a false positive rate of ${targetFpr} needs ${needed} images in each of ${folds} folds and as many again for the threshold`;
  throw new GuardError(
    'invalid_dataset',
    `${detail}: at least ${2 * folds * needed} in all, not ${2 * images}`,
  );
}

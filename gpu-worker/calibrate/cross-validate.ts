// What one candidate for a detector reaches on images that it was not trained on: both tails, and shifted clean images.
import type { VectorDesign } from '../../shared/contracts/detector-artefact.ts';
import { planCopies } from '../../shared/contracts/extraction.ts';
import { conformalThreshold } from '../../shared/detector/conformal-threshold.ts';
import { type Mlp, parameterCount } from '../../shared/detector/mlp.ts';
import { auroc, rateAbove } from '../../shared/maths/auroc.ts';
import { planVectorLength } from '../../shared/maths/plan-vector.ts';
import { designVectors, type ExtractedRows, type RowVectors } from './extract-rows.ts';
import { fitDetector, type PoolVectors, scoreVectors } from './fit-detector.ts';
import type { Fold, Tail } from './fold-rows.ts';
import { type KeptCopies, narrowPlan, narrowRows } from './narrow-rows.ts';
import { type TrainingRecipe, trainingRecipes } from './training-recipes.ts';

/** A design over some of the copies. */
export interface Candidate extends KeptCopies {
  readonly design: VectorDesign;
}

/** What it would cost. */
export interface CandidateSize {
  readonly parameters: number;
  /** Rows of one run of the compiled graph: the input and its copies. */
  readonly forwards: number;
}

/** What it reached, each figure a mean over the folds. */
export interface CandidateFigures {
  /** Mean AUROC over the attacks of each tail. */
  readonly tails: Readonly<Record<Tail, number>>;
  readonly worstAttack: { readonly attack: string; readonly auroc: number };
  /** The shift with most false positives at the threshold of the target rate. */
  readonly worstShift: { readonly shift: string; readonly fpr: number };
}

/** Parameters and forwards of a candidate over the copies of `compiled`. */
export function candidateSize(
  { compiled }: Pick<ExtractedRows, 'compiled'>,
  candidate: Candidate,
): CandidateSize {
  const plan = narrowPlan(compiled.plan, candidate);
  const { classes } = compiled.model;
  const widths = [
    planVectorLength(candidate.design, { classes, plan }),
    ...trainingRecipes[candidate.design].hidden,
    2,
  ];
  const layers = widths.slice(1).map((outputs, index) => ({ inputs: widths[index], outputs }));
  return { parameters: parameterCount(layers), forwards: planCopies(plan) + 1 };
}

/** The recipe of a candidate with a share of its steps. */
export function shorterRecipe(
  { design }: Candidate,
  stepsShare: number,
): TrainingRecipe & { readonly training: { readonly steps: number } } {
  const recipe = trainingRecipes[design];
  const steps = Math.round(stepsShare * (recipe.training?.steps ?? stepsDefault));
  return { ...recipe, training: { ...recipe.training, steps } };
}

/** The vectors of a recipe's pools over some folds. */
export function foldPools(folds: readonly Fold[], candidate: Candidate): PoolVectors[] {
  return trainingRecipes[candidate.design].pools.map(({ adversarial, mass, sources }) => ({
    adversarial,
    mass,
    parts: sources.flatMap((source) => folds.map((fold) => candidateVectors(fold.source(source), candidate))),
  }));
}

/** The vectors of a candidate, from rows of all copies. */
export function candidateVectors(rows: ExtractedRows, candidate: Candidate): RowVectors {
  return designVectors(narrowRows(rows, candidate), candidate.design);
}

/** Steps of a recipe that names none. */
const stepsDefault = 1500;

/** How a candidate is tried. */
export interface TrialOptions {
  readonly targetFpr: number;
  readonly seed: number;
  /** Steps of the training as a share of those of its recipe, in (0, 1]. */
  readonly stepsShare: number;
}

/**
 * Trains a candidate on all folds but one and tests it on that one, in turn. The threshold is conformal on the clean images
 * of the tested fold.
 * @throws GuardError `invalid_dataset` where a fold has too few images for the target rate
 */
export function crossValidate(
  folds: readonly Fold[],
  candidate: Candidate,
  { targetFpr, seed, stepsShare }: TrialOptions,
): CandidateFigures {
  const recipe = shorterRecipe(candidate, stepsShare);
  const tested = folds.map((fold) => {
    const others = folds.filter((other) => other !== fold);
    const mlp = fitDetector(foldPools(others, candidate), recipe, seed);
    return testFold(fold, candidate, { mlp, targetFpr });
  });
  const over = (figure: (of: FoldFigures) => readonly number[]) => meanOfEach(tested.map(figure));
  const aurocs = over(({ attacks }) => attacks);
  const rates = over(({ shifts }) => shifts);
  const [{ attacks, shifts }] = folds;
  const ofTail = (tail: Tail) => mean(aurocs.filter((_, index) => attacks[index].tail === tail));
  const attack = indexOfLeast(aurocs);
  const shift = indexOfLeast(rates.map((rate) => -rate));
  return {
    tails: { smallest: ofTail('smallest'), fixed: ofTail('fixed') },
    worstAttack: { attack: attacks[attack].attack, auroc: aurocs[attack] },
    worstShift: { shift: shifts[shift].shift, fpr: rates[shift] },
  };
}

interface FoldFigures {
  /** AUROC an attack. */
  readonly attacks: readonly number[];
  /** False positive rate a shift. */
  readonly shifts: readonly number[];
}

function testFold(
  fold: Fold,
  candidate: Candidate,
  { mlp, targetFpr }: { mlp: Mlp; targetFpr: number },
): FoldFigures {
  const scores = (rows: ExtractedRows) => scoreVectors(mlp, candidateVectors(rows, candidate));
  const clean = scores(fold.clean);
  const { threshold } = conformalThreshold(scores(fold.all), targetFpr);
  return {
    attacks: fold.attacks.map(({ rows }) => auroc(scores(rows), clean)),
    shifts: fold.shifts.map(({ rows }) => rateAbove(scores(rows), threshold)),
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Means of the first entries, of the second ones and so on. */
function meanOfEach(lists: readonly (readonly number[])[]): number[] {
  return lists[0].map((_, index) => mean(lists.map((list) => list[index])));
}

function indexOfLeast(values: readonly number[]): number {
  return values.reduce((best, value, index) => (value < values[best] ? index : best), 0);
}

// What a model and its guard together withstand: every attack with what it knows, judged by the real guard.
import type { DetectorArtefact } from '../../shared/contracts/detector-artefact.ts';
import { mlpOfArtefact } from '../../shared/detector/mlp.ts';
import { GuardError } from '../../shared/errors.ts';
import { permutation, seededRandom } from '../../shared/maths/random.ts';
import { jointLossDefaults } from '../attacks/adaptive-pgd.ts';
import { predictedLabel } from '../attacks/attack.ts';
import type { AttackTarget } from '../attacks/attack-target.ts';
import type { KnownDetector } from '../attacks/joint-loss.ts';
import type { Extractor } from '../calibrate/extract-rows.ts';
import type { StageProgress } from '../calibrate/training-inputs.ts';
import {
  checkDataset,
  type Dataset,
  datasetDigest,
  requireRows,
  selectDatasetRows,
} from '../datasets/dataset.ts';
import { type AttackRun, attackBare, attackGuard } from './guard-attack-runs.ts';
import { guardVerdicts } from './guard-verdicts.ts';
import { type MaskingFlag, maskingFlags } from './masking-flags.ts';

/** What is attacked, with what. */
export interface GuardAttackInputs {
  readonly artefact: DetectorArtefact;
  readonly extractor: Extractor;
  readonly target: AttackTarget;
  readonly dataset: Dataset;
}

/** What the operator chooses. */
export interface GuardAttackOptions {
  /** Images drawn from the data set. */
  readonly images: number;
  /** Rising radii in the max norm, in units of the input. */
  readonly budgets: readonly number[];
  /** Steps of the attacks with gradients. */
  readonly steps: number;
  /** Draws of noise in each step of the attack that does not know it. */
  readonly draws: number;
  /** Questions that an attack without gradients has for each image and budget. */
  readonly queries: number;
  readonly seed: number;
}

/** One attack at one budget. Effective accuracy is 1 less the share of the images that are wrong and pass. */
export interface AttackOutcome {
  readonly attack: string;
  readonly effective_accuracy: number;
}

/** All attacks at one budget. */
export interface BudgetOutcome {
  readonly attacks: readonly AttackOutcome[];
  /** The single strongest attack. */
  readonly worst_attack: string;
  /** With the strongest attack of each image, of this budget and the smaller ones. */
  readonly worst_effective_accuracy: number;
}

/** The whole report. */
export interface GuardAttackReport {
  readonly detector: { readonly name: string; readonly version: string; readonly model: string };
  readonly dataset: { readonly name: string; readonly images: number; readonly digest: string };
  readonly parameters: Omit<GuardAttackOptions, 'images' | 'budgets'> & {
    readonly slack: number;
    readonly confidence: number;
  };
  /** Without an attack. `blocked` is the share of all images: what effective accuracy does not charge the guard for. */
  readonly clean: {
    readonly accuracy: number;
    readonly effective_accuracy: number;
    readonly blocked: number;
  };
  readonly budgets: readonly {
    readonly epsilon: number;
    readonly bare: BudgetOutcome;
    readonly guarded: BudgetOutcome;
  }[];
  /** Attacks that turned no image at any budget, as `bare square` or `guarded boundary`. */
  readonly never_succeeded: readonly string[];
  readonly masking: readonly MaskingFlag[];
  /** Where the artefact has a trigger check: what it would refuse counts as passed here, and no attack tries to get by it. */
  readonly trigger_check?: 'not attacked';
}

/**
 * Attacks a model alone and behind its guard. An image is lost where the model gets it wrong and the guard passes it, the
 * clean image's own loss included; so a guard that blocks all clean images loses none, which `clean.blocked` shows.
 * @throws GuardError `invalid_dataset` where the set does not fit or holds too few images, the model gets none of them
 *   right, or no attack turns even the bare model; `invalid_artefact` where the artefact is of another model
 * @see Carlini et al., "On evaluating adversarial robustness" (2019), sections 3 and 4; Tramèr et al., "On adaptive attacks
 *   to adversarial example defenses" (2020)
 */
export async function attackGuardedModel(
  inputs: GuardAttackInputs,
  options: GuardAttackOptions,
  onStage: StageProgress,
): Promise<GuardAttackReport> {
  const { artefact, extractor, target } = inputs;
  const detector = detectorOf(artefact, extractor);
  const tested = drawImages(inputs, options);
  const verdicts = await guardVerdicts(extractor, detector, tested.inputs);
  const wrong = tested.labels.map((label, row) =>
    predictedLabel(verdicts.logits, row, target.classes) === label ? 0 : 1,
  );
  if (!wrong.includes(0)) {
    const detail = `the model labels none of the ${options.images} images of ${tested.name} right`;
    throw new GuardError('invalid_dataset', detail);
  }
  const lostClean = Uint8Array.from(wrong, (value, row) => value & verdicts.passed[row]);
  const context = { detector, extractor, target, tested, options, onStage };
  const bare = await attackBare(context);
  const { runs: guarded, zeroGradients } = await attackGuard(context, bare);
  const bareOutcomes = outcomes(bare, Uint8Array.from(wrong), options.budgets);
  const never = (side: string, runs: readonly AttackRun[], before: ArrayLike<number>) =>
    runs
      .filter(({ lost }) => !lost.some((rows) => rows.some((value, row) => value > before[row])))
      .map(({ attack }) => `${side} ${attack}`);
  const silent = never('bare', bare, wrong);
  if (silent.length === bare.length) {
    const largest = options.budgets[options.budgets.length - 1];
    const detail = `no attack ever succeeded on the bare model up to ${largest}: the budgets are too small to tell anything`;
    throw new GuardError('invalid_dataset', detail);
  }
  const guardedOutcomes = outcomes(guarded, lostClean, options.budgets);
  const { images, budgets, ...parameters } = options;
  return {
    detector: { name: artefact.name, version: artefact.version, model: artefact.model.name },
    dataset: { name: tested.name, images, digest: datasetDigest(tested) },
    parameters: { ...parameters, ...jointLossDefaults },
    clean: {
      accuracy: 1 - share(wrong),
      effective_accuracy: 1 - share(lostClean),
      blocked: share(verdicts.passed.map((passed) => 1 - passed)),
    },
    budgets: budgets.map((epsilon, index) => ({
      epsilon,
      bare: bareOutcomes[index],
      guarded: guardedOutcomes[index],
    })),
    never_succeeded: [...silent, ...never('guarded', guarded, lostClean)],
    masking: maskingFlags(guarded, { lostClean, budgets, zeroGradients }),
    ...(artefact.trigger_check && { trigger_check: 'not attacked' }),
  };
}

function detectorOf(artefact: DetectorArtefact, { compiled }: Extractor): KnownDetector {
  if (compiled.model.digest !== artefact.model.digest) {
    throw new GuardError(
      'invalid_artefact',
      `the detector was made for the model ${artefact.model.digest}, this is ${compiled.model.digest}`,
    );
  }
  return {
    plan: artefact.plan,
    design: artefact.vector.design,
    mlp: mlpOfArtefact(artefact),
    threshold: artefact.threshold.value,
    perClass: artefact.threshold.per_class,
  };
}

function drawImages(
  { dataset, target, artefact }: GuardAttackInputs,
  { images, seed }: GuardAttackOptions,
): Dataset {
  checkDataset(dataset, { inputShape: target.inputShape, classes: target.classes });
  requireRows(dataset, images);
  if (dataset.name === artefact.calibration.dataset) {
    const detail = `${dataset.name} is the set that the detector was calibrated on: attack it on another`;
    throw new GuardError('invalid_dataset', detail);
  }
  return selectDatasetRows(
    dataset,
    permutation(dataset.labels.length, seededRandom(seed)).subarray(0, images),
  );
}

/** Effective accuracies of all attacks, budget by budget. */
function outcomes(
  runs: readonly AttackRun[],
  lostClean: Uint8Array,
  budgets: readonly number[],
): BudgetOutcome[] {
  // What a small budget turns, a larger one does too.
  const everLost = lostClean.slice();
  return budgets.map((_, budget) => {
    const attacks = runs.map(({ attack, lost }) => {
      for (const [row, value] of lost[budget].entries()) everLost[row] |= value;
      return {
        attack,
        effective_accuracy: 1 - share(lost[budget].map((value, row) => value | lostClean[row])),
      };
    });
    const worst = attacks.reduce((low, one) => (one.effective_accuracy < low.effective_accuracy ? one : low));
    return { attacks, worst_attack: worst.attack, worst_effective_accuracy: 1 - share(everLost) };
  });
}

function share(flags: ArrayLike<number>): number {
  return Array.from(flags).reduce((sum, flag) => sum + flag, 0) / flags.length;
}

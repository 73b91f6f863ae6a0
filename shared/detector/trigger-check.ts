// The trigger check: an input whose activation lies far from the class that the model names may carry the trigger of a backdoor.
import { assertShape } from '../assert.ts';
import type { TriggerCheckArtefact } from '../contracts/detector-artefact.ts';
import { type ExtractionPlan, tapColumns } from '../contracts/extraction.ts';
import { GuardError } from '../errors.ts';
import { type ActivationGaussian, activationDistances, unpackGaussian } from './activation-gaussian.ts';

/** A trigger check, ready to score. */
export interface TriggerCheck {
  readonly gaussian: ActivationGaussian;
  readonly threshold: TriggerCheckArtefact['threshold'];
  /** Where the activations stand among the plan's `changes`. */
  readonly columns: { readonly first: number; readonly count: number; readonly all: number };
}

/** What the check says of an input; above its threshold the input is refused. */
export interface TriggerScore {
  /** Squared Mahalanobis distance, 0 or more. */
  readonly score: number;
  readonly threshold: number;
}

/**
 * Unpacks the check of an artefact.
 * @throws GuardError `invalid_artefact` where its parts do not fit each other, or the plan taps no activations of that size
 */
export function loadTriggerCheck(
  {
    plan,
    model,
  }: { readonly plan: Pick<ExtractionPlan, 'taps'>; readonly model: { readonly classes: number } },
  { activations, threshold }: TriggerCheckArtefact,
): TriggerCheck {
  const gaussian = unpackGaussian(activations, model.classes);
  const columns = activationColumns(plan);
  if (columns?.count !== gaussian.neurons) {
    const detail = `the trigger check reads ${gaussian.neurons} activations, the plan taps ${columns?.count ?? 'none'}`;
    throw new GuardError('invalid_artefact', detail);
  }
  return { gaussian, threshold, columns };
}

/** Where the activations of the input stand among the columns of a plan's taps; undefined where none are tapped. */
export function activationColumns({
  taps,
}: Pick<ExtractionPlan, 'taps'>): TriggerCheck['columns'] | undefined {
  const counts = taps.map((tap) => tapColumns(tap).length);
  const place = taps.findIndex(({ kind }) => kind === 'activations');
  if (place < 0) return undefined;
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  return { first: sum(counts.slice(0, place)), count: counts[place], all: sum(counts) };
}

/**
 * Scores one input by its distance from the class that the model names.
 * @param logits [classes], of the input itself
 * @param changes [columns of the plan's taps], of the input
 * @throws Error where the shapes are others
 * @see Lee, Lee, Lee and Shin, "A simple unified framework for detecting out-of-distribution samples and adversarial attacks"
 *   (2018), section 2.1, for the distance
 */
export function triggerScore(
  { gaussian, threshold, columns }: TriggerCheck,
  { logits, changes }: { readonly logits: Float32Array; readonly changes: Float32Array },
): TriggerScore {
  assertShape(changes, [columns.all], 'changes');
  const activations = changes.subarray(columns.first, columns.first + columns.count);
  return { score: activationDistances(gaussian, logits, activations).own, threshold: threshold.value };
}

/** Whether an input is refused for it; a score that is no number is never a pass. */
export function exceedsTrigger(trigger: TriggerScore | undefined): boolean {
  return trigger !== undefined && !(trigger.score <= trigger.threshold);
}

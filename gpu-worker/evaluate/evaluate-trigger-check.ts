// How many clean rows of an evaluation the trigger check of an artefact refuses.
import type { DetectorArtefact } from '../../shared/contracts/detector-artefact.ts';
import { conformalRank } from '../../shared/detector/conformal-threshold.ts';
import { exceedsTrigger, loadTriggerCheck } from '../../shared/detector/trigger-check.ts';
import type { ExtractedRows } from '../calibrate/extract-rows.ts';
import { observedRateInterval } from '../calibrate/false-positive-interval.ts';
import { triggerScores } from '../calibrate/fit-trigger-check.ts';

/** The trigger check on clean images; whether it finds a trigger is not evaluated, for that takes a model with a backdoor. */
export interface TriggerCheckReport {
  readonly target_fpr: number;
  /** Share of all clean images that it refuses, whatever the detector says of them. */
  readonly fpr: number;
  /** 95 % interval of that share for a check that keeps its promise. */
  readonly fpr_interval: [number, number];
}

/**
 * Evaluates a trigger check.
 * @param clean all clean rows of the evaluation
 * @returns undefined where the artefact has no such check
 */
export function evaluateTriggerCheck(
  artefact: DetectorArtefact,
  clean: ExtractedRows,
): TriggerCheckReport | undefined {
  if (artefact.trigger_check === undefined) return undefined;
  const check = loadTriggerCheck(artefact, artefact.trigger_check);
  const { value: threshold, target_fpr: targetFpr, calibration_samples: samples } = check.threshold;
  const refused = triggerScores(check, clean).filter((score) => exceedsTrigger({ score, threshold }));
  const calibration = { samples, rank: conformalRank(samples, targetFpr) };
  return {
    target_fpr: targetFpr,
    fpr: refused.length / clean.count,
    fpr_interval: observedRateInterval(calibration, clean.count),
  };
}

// The threshold of an artefact from the scores of clean inputs, with what its calibration promises.
import type { DetectorArtefact } from '../../shared/contracts/detector-artefact.ts';
import { conformalThreshold } from '../../shared/detector/conformal-threshold.ts';
import { cleanQuantiles } from '../../shared/detector/score-drift.ts';
import { classThresholds, type LabelledScores } from './class-thresholds.ts';
import { falsePositiveInterval } from './false-positive-interval.ts';

/**
 * Sets the threshold of a score.
 * @param labelled scores of clean inputs that took no part in training
 * @throws GuardError `invalid_dataset` where there are too few for the target
 */
export function conformalPromise(
  labelled: LabelledScores,
  { targetFpr, perClass }: { readonly targetFpr: number; readonly perClass: boolean },
): DetectorArtefact['threshold'] {
  const { scores } = labelled;
  const { threshold, rank } = conformalThreshold(scores, targetFpr);
  const ownThresholds = perClass ? classThresholds(labelled, targetFpr) : [];
  return {
    value: threshold,
    target_fpr: targetFpr,
    fpr_ci95: falsePositiveInterval({ samples: scores.length, rank }),
    calibration_samples: scores.length,
    clean_quantiles: cleanQuantiles(scores),
    ...(ownThresholds.length > 0 && { per_class: ownThresholds }),
  };
}

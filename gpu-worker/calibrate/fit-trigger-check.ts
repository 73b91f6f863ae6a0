// From the activations of clean inputs to a trigger check: Gaussians of some, the threshold from others.
import type { TriggerCheckArtefact } from '../../shared/contracts/detector-artefact.ts';
import { fitActivationGaussian, packGaussian } from '../../shared/detector/activation-gaussian.ts';
import { activationColumns, type TriggerCheck, triggerScore } from '../../shared/detector/trigger-check.ts';
import { GuardError } from '../../shared/errors.ts';
import { conformalPromise } from './conformal-promise.ts';
import { type ExtractedRows, predictedLabels, rowChanges, rowLogits } from './extract-rows.ts';

/** Clean inputs, extracted by a plan that taps their activations. */
export interface TriggerCheckRows {
  /** Rows that the Gaussians are fitted to. */
  readonly gaussianRows: ExtractedRows;
  /** Other rows, which set the threshold. */
  readonly thresholdRows: ExtractedRows;
}

/**
 * Fits a trigger check; no input with a trigger is needed for it.
 * @param targetFpr share of clean inputs that may exceed the threshold, beside those that the detector flags
 * @throws GuardError `invalid_config` where the plan taps no activations; `invalid_dataset` where there are too few rows for the
 *   Gaussians or the target rate
 */
export function fitTriggerCheck(
  { gaussianRows, thresholdRows }: TriggerCheckRows,
  { targetFpr }: { readonly targetFpr: number },
): TriggerCheckArtefact {
  const { plan, model } = gaussianRows.compiled;
  const columns = activationColumns(plan);
  if (columns === undefined) {
    throw new GuardError(
      'invalid_config',
      'a trigger check reads the penultimate activation, which the plan does not tap',
    );
  }
  const { classes } = model;
  const activations = new Float32Array(gaussianRows.count * columns.count);
  for (let row = 0; row < gaussianRows.count; row++) {
    const own = rowChanges(gaussianRows, row).subarray(columns.first, columns.first + columns.count);
    activations.set(own, row * columns.count);
  }
  const labels = predictedLabels(gaussianRows);
  const gaussian = fitActivationGaussian({ activations, labels, classes });
  const predicted = predictedLabels(thresholdRows);
  const unset = {
    value: 0,
    target_fpr: targetFpr,
    fpr_ci95: [0, 1] as [number, number],
    calibration_samples: 1,
  };
  const scores = triggerScores({ gaussian, threshold: unset, columns }, thresholdRows);
  return {
    activations: packGaussian(gaussian),
    threshold: conformalPromise({ scores, predicted }, { targetFpr, perClass: false }),
  };
}

/** Scores of rows by a trigger check, [count]. */
export function triggerScores(check: TriggerCheck, rows: ExtractedRows): Float64Array {
  const { classes } = rows.compiled.model;
  return Float64Array.from({ length: rows.count }, (_, row) => {
    const logits = rowLogits(rows, row).subarray(0, classes);
    return triggerScore(check, { logits, changes: rowChanges(rows, row) }).score;
  });
}

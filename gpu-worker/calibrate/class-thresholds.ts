// Thresholds of the classes that have enough clean inputs for one of their own (Mondrian conformal calibration).
import { assertShape } from '../../shared/assert.ts';
import type { ClassThreshold } from '../../shared/contracts/detector-artefact.ts';
import { conformalThreshold } from '../../shared/detector/conformal-threshold.ts';
import { falsePositiveInterval } from './false-positive-interval.ts';

/** Scores of clean inputs with the labels that the model gives them. */
export interface LabelledScores {
  /** [count]. */
  readonly scores: Float64Array;
  /** [count]. */
  readonly predicted: Int32Array;
}

/** Clean inputs of a class that are over its threshold on average, at least. */
const flaggedExpectedMin = 5;

/**
 * Fewest clean inputs for a threshold of a class's own: 100 for a target of 5 %, 500 for 1 %.
 *
 * Conformal calibration itself needs far fewer (19 at 5 %), but its threshold would then be the largest score seen, under
 * which a rate of 18 % is as likely as one of 0.1 %. With five inputs over the threshold on average the 95 % interval of
 * the class's rate ends at twice the target.
 */
export function classSamplesNeeded(targetFpr: number): number {
  return Math.ceil(flaggedExpectedMin / targetFpr - 1e-9);
}

/**
 * Conformal thresholds by predicted class: the category must be known at request time, where only the model's own label is.
 * @returns rising by class; only classes with {@link classSamplesNeeded} inputs, empty where none has as many
 */
export function classThresholds({ scores, predicted }: LabelledScores, targetFpr: number): ClassThreshold[] {
  assertShape(predicted, [scores.length], 'predicted');
  const classes = [...new Set(predicted)].sort((left, right) => left - right);
  return classes.flatMap((class_) => {
    const own = scores.filter((_, row) => predicted[row] === class_);
    const samples = own.length;
    if (samples < classSamplesNeeded(targetFpr)) return [];
    const { threshold, rank } = conformalThreshold(own, targetFpr);
    const interval = falsePositiveInterval({ samples, rank });
    return [{ class: class_, value: threshold, fpr_ci95: interval, calibration_samples: samples }];
  });
}

// What the sequential test of an artefact costs and tells on the rows of an evaluation, beside the full test.
import type { DetectorArtefact } from '../../shared/contracts/detector-artefact.ts';
import { conformalRank } from '../../shared/detector/conformal-threshold.ts';
import { rowThreshold } from '../../shared/detector/row-threshold.ts';
import { loadSequentialTest } from '../../shared/detector/sequential-test.ts';
import { auroc, rateAbove } from '../../shared/maths/auroc.ts';
import { type ExtractedRows, predictedLabels } from '../calibrate/extract-rows.ts';
import { observedRateInterval } from '../calibrate/false-positive-interval.ts';
import { meanCopies, sequentialRows } from '../calibrate/stage-evidence.ts';
import { aligned } from './text-columns.ts';

/** One attack under the sequential test; null where a control has no examples. */
export interface SequentialAttackReport {
  readonly attack: string;
  readonly auroc: number | null;
  /** Less the AUROC of the full test: below 0 where ending early loses. */
  readonly auroc_gain: number | null;
  /** Mean forward passes of an example, that of the input itself among them. */
  readonly forwards: number | null;
  readonly tpr_at_threshold: number | null;
}

/** The sequential test beside the full one. */
export interface SequentialReport {
  readonly stages: number;
  /** Mean forward passes of a clean image, right or wrong, that of the image itself among them. */
  readonly clean_forwards: number;
  /** Of the full test. */
  readonly full_forwards: number;
  /** Share of the clean images that ended after each number of forward passes. */
  readonly clean_ends: readonly { readonly forwards: number; readonly share: number }[];
  readonly target_fpr: number;
  readonly fpr: number;
  /** 95 % interval of that share for a test that keeps its promise. */
  readonly fpr_interval: [number, number];
  readonly attacks: readonly SequentialAttackReport[];
}

/** Takes an evaluation's rows one set after another. */
export interface SequentialEvaluation {
  /** @param full AUROC of the full test on these rows */
  addAttack(attack: string, rows: ExtractedRows, full: number | null): void;
  report(): SequentialReport;
}

/**
 * Starts the evaluation of a sequential test.
 * @param clean all clean rows of the evaluation
 * @param right which of them the model gets right: AUROC compares with these
 * @returns undefined where the artefact has no such test
 */
export function evaluateSequential(
  artefact: DetectorArtefact,
  clean: ExtractedRows,
  right: readonly number[],
): SequentialEvaluation | undefined {
  const { sequential } = artefact;
  if (sequential === undefined) return undefined;
  const test = loadSequentialTest(artefact, sequential);
  const { threshold } = sequential;
  const measure = (rows: ExtractedRows) => {
    const ended = sequentialRows(test, rows, artefact.vector.design);
    const predicted = predictedLabels(rows);
    const over = ended.scores.map((score, row) => score - rowThreshold(threshold, predicted[row]));
    return { over, copies: ended.copies };
  };
  const all = measure(clean);
  const cleanRight = Float64Array.from(right, (row) => all.over[row]);
  const attacks: SequentialAttackReport[] = [];
  return {
    addAttack(attack, rows, full) {
      if (rows.count === 0) {
        const nothing = { auroc: null, auroc_gain: null, forwards: null, tpr_at_threshold: null };
        attacks.push({ attack, ...nothing });
        return;
      }
      const { over, copies } = measure(rows);
      const area = auroc(over, cleanRight);
      attacks.push({
        attack,
        auroc: area,
        auroc_gain: full === null ? null : area - full,
        forwards: meanCopies({ copies }) + 1,
        tpr_at_threshold: rateAbove(over, 0),
      });
    },
    report: () => ({
      stages: test.stages.length,
      clean_forwards: meanCopies(all) + 1,
      full_forwards: test.stages[test.stages.length - 1].seen.length,
      clean_ends: test.stages.map(({ seen }) => ({
        forwards: seen.length,
        share: all.copies.filter((copies) => copies + 1 === seen.length).length / clean.count,
      })),
      target_fpr: threshold.target_fpr,
      fpr: rateAbove(all.over, 0),
      fpr_interval: observedRateInterval(
        {
          samples: threshold.calibration_samples,
          rank: conformalRank(threshold.calibration_samples, threshold.target_fpr),
        },
        clean.count,
      ),
      attacks,
    }),
  };
}

/** The report for a person. */
export function sequentialTable(report: SequentialReport): string[] {
  const percent = (value: number | null) => (value === null ? 'none' : `${(100 * value).toFixed(1)} %`);
  const ends = report.clean_ends.map(({ forwards, share }) => `${forwards}: ${percent(share)}`).join(', ');
  const rows = report.attacks.map(
    ({ attack, auroc: area, auroc_gain: gain, forwards, tpr_at_threshold: caught }) => {
      const signed = gain === null ? '' : `${gain < 0 ? '' : '+'}${gain.toFixed(4)}`;
      return [attack, area?.toFixed(4) ?? '', signed, forwards?.toFixed(2) ?? '', percent(caught)];
    },
  );
  const cells = [['attack', 'AUROC', 'to the full test', 'forwards', 'flagged'], ...rows];
  const interval = report.fpr_interval.map(percent).join(' to ');
  return [
    `sequential test of ${report.stages} stages: ${report.clean_forwards.toFixed(2)} forward passes a clean image of ${report.full_forwards} (${ends})`,
    aligned(cells),
    `its false positives on clean images: ${percent(report.fpr)}, target ${percent(report.target_fpr)}, expected within ${interval} (95 %)`,
  ];
}

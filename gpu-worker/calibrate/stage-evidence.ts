// What a sequential test may read of extracted rows, and where it ends on each.
import { assert } from '../../shared/assert.ts';
import type { VectorDesign } from '../../shared/contracts/detector-artefact.ts';
import type { ActivationGaussian } from '../../shared/detector/activation-gaussian.ts';
import { fitActivationGaussian } from '../../shared/detector/activation-gaussian.ts';
import {
  type LoadedTest,
  type StageEvidence,
  sequentialScore,
  stageCopies,
} from '../../shared/detector/sequential-test.ts';
import { type ExtractedRows, predictedLabels, rowChanges, rowLogits } from './extract-rows.ts';

/** Where a test ended on a set of inputs. */
export interface SequentialRows {
  /** [count]. */
  readonly scores: Float64Array;
  /** [count]: copies that were run, the input itself left out. */
  readonly copies: Uint8Array;
}

/** Everything that is known of one row, extracted by a plan whose only tap is that of the activations. */
export function evidenceOf(rows: ExtractedRows, row: number): StageEvidence {
  return { logits: rowLogits(rows, row), activations: rowChanges(rows, row) };
}

/** Runs a sequential test over rows of which every copy is there. */
export function sequentialRows(test: LoadedTest, rows: ExtractedRows, design: VectorDesign): SequentialRows {
  const scores = new Float64Array(rows.count);
  const copies = new Uint8Array(rows.count);
  const { plan, model } = rows.compiled;
  for (let row = 0; row < rows.count; row++) {
    const ended = sequentialScore(test, { plan, classes: model.classes, design }, evidenceOf(rows, row));
    scores[row] = ended.score;
    copies[row] = stageCopies(test.stages[ended.stage]);
  }
  return { scores, copies };
}

/** Mean number of copies that were run. */
export function meanCopies({ copies }: Pick<SequentialRows, 'copies'>): number {
  return copies.reduce((sum, count) => sum + count, 0) / copies.length;
}

/**
 * The Gaussians of clean rows, by the labels that the model gives them.
 * @throws GuardError `invalid_dataset` where there are too few
 */
export function gaussianOf(rows: ExtractedRows): ActivationGaussian {
  const { classes } = rows.compiled.model;
  assert(rows.changes !== undefined, 'the plan of these rows taps the activations');
  return fitActivationGaussian({ activations: rows.changes, labels: predictedLabels(rows), classes });
}

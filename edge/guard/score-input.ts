// From a valid input to its scores: keyed noise, extraction, NCCR vectors, detector.

import { assert } from '../../shared/assert.ts';
import { changeColumns, planCopies } from '../../shared/contracts/extraction.ts';
import type { Scorer } from '../../shared/contracts/verdict.ts';
import { rowThreshold } from '../../shared/detector/row-threshold.ts';
import { type TriggerScore, triggerScore } from '../../shared/detector/trigger-check.ts';
import type { GuardError } from '../../shared/errors.ts';
import { argmax } from '../../shared/maths/nccr-vector.ts';
import { planVector } from '../../shared/maths/plan-vector.ts';
import { selectRows } from '../../shared/noise/select-rows.ts';
import type { LoadedArtefact } from '../clients/artefact-store.ts';
import type { Extraction } from '../clients/extractor-client.ts';
import type { TraceContext } from '../clients/trace-context.ts';
import type { GuardServices } from './guard-services.ts';
import { scoreStages } from './score-stages.ts';
import { rowOf, type ValidInput } from './validate-input.ts';

/** Longest wait for the detector Worker: a cold one starts in about 0.6 s, and the fallback has its scores at hand. */
export const detectorTimeoutMsMax = 1_000;

/** What is scored, with what, and until when. */
export interface ScoreInput {
  readonly loaded: LoadedArtefact;
  readonly input: ValidInput;
  /** Instant of `Date.now()`. */
  readonly deadlineAt: number;
  readonly trace: TraceContext;
  /** Scores with this implementation and no other. */
  readonly only?: Scorer;
  /** Whether the other one is asked too and has to agree. */
  readonly check?: boolean;
}

/** One row of a request. */
export interface ScoredRow {
  /** Its place in the request, from 0. */
  readonly row: number;
  readonly score: number;
  /** The one that applies to this row: of its predicted class, or of all. */
  readonly threshold: number;
  /** What the trigger check says, where there is one. */
  readonly trigger?: TriggerScore | undefined;
  /** Rows that the protected model was run over for it, the input itself among them. */
  readonly forwards: number;
  readonly inputDigest: string;
}

/** The scores of one request. */
export interface ScoredInput {
  readonly rows: readonly ScoredRow[];
  readonly scorer: Scorer;
  /** Of the graph of the whole plan, or of the first stage. */
  readonly compiledDigest: string;
  /** Of the graphs of all stages of a sequential test that were run. */
  readonly stageDigests?: readonly string[];
  readonly extractMs: number;
  readonly decideMs: number;
  /** What broke the scoring off: then nothing is said of the rows that are not listed, and those that are may only be blocked. */
  readonly broken?: GuardError | undefined;
}

/**
 * Scores every row of an input.
 * @throws GuardError as the extractor's and the detector's clients do
 * @see NCCR, section 3.2 and figure 2
 */
export async function scoreInput(
  { loaded, input, deadlineAt, trace, only, check = false }: ScoreInput,
  { noiseKey, extractor, detector }: Pick<GuardServices, 'noiseKey' | 'extractor' | 'detector'>,
): Promise<ScoredInput> {
  const { artefact, planDigest } = loaded;
  const { name, digest: modelDigest } = artefact.model;
  const startedAt = performance.now();
  const selections = await Promise.all(
    Array.from({ length: input.rows }, (_, row) => selectRows(noiseKey, artefact.plan, rowOf(input, row))),
  );
  const { sequential } = loaded;
  if (sequential !== undefined) {
    const call = { loaded: { ...loaded, sequential }, input, selections, deadlineAt, trace, only, check };
    return scoreStages(call, { noiseKey, extractor, detector });
  }
  const extraction = await extractor.extract({
    expected: { name, modelDigest, noiseKeyId: noiseKey.id, planDigest },
    inputs: input.values,
    shape: input.shape,
    selections,
    runs: planCopies(artefact.plan) + 1,
    classes: artefact.model.classes,
    changeColumns: changeColumns(artefact.plan),
    deadlineAt,
    trace,
  });
  const extractedAt = performance.now();
  const scores = await detector.score({
    loaded,
    vectors: vectorsOf(extraction, { loaded, rows: input.rows }),
    rows: input.rows,
    timeoutMs: Math.max(1, Math.min(detectorTimeoutMsMax, deadlineAt - Date.now())),
    ...(only === undefined ? {} : { only }),
    check,
  });
  return {
    rows: selections.map(({ inputDigest }, row) => ({
      row,
      score: scores.values[row],
      threshold: rowThreshold(loaded.threshold, argmax(inputLogits(extraction, { loaded, row }))),
      trigger: triggerOf(extraction, { loaded, row, rows: input.rows }),
      forwards: planCopies(artefact.plan) + 1,
      inputDigest,
    })),
    scorer: scores.scorer,
    compiledDigest: extraction.compiledDigest,
    extractMs: extractedAt - startedAt,
    decideMs: performance.now() - extractedAt,
    broken: scores.disagreement,
  };
}

/** The logits of a row itself, which stand before those of its copies. */
function inputLogits(
  { logits }: Extraction,
  { loaded, row }: { loaded: LoadedArtefact; row: number },
): Float32Array {
  const { plan, model } = loaded.artefact;
  const first = row * (planCopies(plan) + 1) * model.classes;
  return logits.subarray(first, first + model.classes);
}

function triggerOf(
  extraction: Extraction,
  { loaded, row, rows }: { loaded: LoadedArtefact; row: number; rows: number },
): TriggerScore | undefined {
  const { triggerCheck } = loaded;
  if (triggerCheck === undefined) return undefined;
  const { changes } = extraction;
  assert(changes, 'a plan whose activations are read taps them');
  const columns = changes.length / rows;
  const logits = inputLogits(extraction, { loaded, row });
  return triggerScore(triggerCheck, {
    logits,
    changes: changes.subarray(row * columns, (row + 1) * columns),
  });
}

/** NCCR vectors of all rows, row-major [rows, vector length]. */
function vectorsOf(
  { logits, changes }: Extraction,
  { loaded, rows }: { loaded: LoadedArtefact; rows: number },
): Float64Array {
  const { artefact } = loaded;
  const { design, length } = artefact.vector;
  const { plan, model } = artefact;
  const size = (planCopies(plan) + 1) * model.classes;
  const vectors = new Float64Array(rows * length);
  for (let row = 0; row < rows; row++) {
    const columns = (changes?.length ?? 0) / rows;
    const ofRow = {
      logits: logits.subarray(row * size, (row + 1) * size),
      changes: changes?.subarray(row * columns, (row + 1) * columns),
    };
    vectors.set(planVector({ ...ofRow, plan, classes: model.classes }, design), row * length);
  }
  assert(vectors.every(Number.isFinite), 'finite logits and changes give a finite vector');
  return vectors;
}

// Logits of a set of inputs and of all their copies, by the same compiled graph and in the same way as at request time.
import { assert } from '../../shared/assert.ts';
import { designReads, type VectorDesign } from '../../shared/contracts/detector-artefact.ts';
import {
  type CompiledModel,
  changeColumns,
  planCopies,
  planNoiseCopies,
  planUnits,
} from '../../shared/contracts/extraction.ts';
import { nccrL2 } from '../../shared/maths/nccr.ts';
import { argmax, logitMargin } from '../../shared/maths/nccr-vector.ts';
import { planVector, planVectorLength } from '../../shared/maths/plan-vector.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import type { NoiseKey } from '../../shared/noise/noise-key.ts';
import { selectRows } from '../../shared/noise/select-rows.ts';
import type { LoadedModel } from '../engine/engine.ts';
import { extract } from '../extraction/extract.ts';

/** A compiled model, ready to run. */
export interface Extractor {
  readonly model: LoadedModel;
  readonly compiled: CompiledModel;
  readonly noiseKey: NoiseKey;
}

/** The logits of a set of inputs under one plan: every vector design of that plan can be read off them. */
export interface ExtractedRows {
  readonly count: number;
  readonly compiled: CompiledModel;
  /** Row-major [count, copies + 1, classes]. */
  readonly logits: Float32Array;
  /** Row-major [count, columns of `changeColumns`]; undefined where the plan has no taps. */
  readonly changes?: Float32Array | undefined;
}

/** Vectors of a set of inputs by one design. */
export interface RowVectors {
  readonly count: number;
  readonly length: number;
  /** Row-major [count, length]. */
  readonly vectors: Float64Array;
  /** Units whose numbers the vectors end with; none where it is not given. */
  readonly units?: number;
}

/** Inputs in flight at once: enough to keep every worker of an engine busy, few enough for its queue. */
const inFlight = 16;

/**
 * Extracts every row on its own, so that its bits are those of a request with one row.
 * @param inputs row-major [count, ...inputShape]
 * @param onProgress called with the share done
 */
export async function extractRows(
  { model, compiled, noiseKey }: Extractor,
  inputs: Float32Array,
  onProgress?: (share: number) => void,
): Promise<ExtractedRows> {
  const { plan } = compiled;
  const { input_shape: inputShape, classes } = compiled.model;
  const size = elementCount(inputShape);
  const count = inputs.length / size;
  const width = (planCopies(plan) + 1) * classes;
  const logits = new Float32Array(count * width);
  const columns = changeColumns(plan).length;
  const changes = new Float32Array(count * columns);
  let next = 0;
  const work = async () => {
    for (let row = next++; row < count; row = next++) {
      const x = inputs.slice(row * size, (row + 1) * size);
      const selection = await selectRows(noiseKey, plan, x);
      const extraction = await extract(model, { x, inputShape, selections: [selection] });
      logits.set(extraction.logits, row * width);
      if (extraction.changes !== undefined) changes.set(extraction.changes, row * columns);
      if (row % 64 === 0) onProgress?.(row / count);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, work));
  onProgress?.(1);
  return { count, compiled, logits, changes: columns === 0 ? undefined : changes };
}

/** Logits of row `row` and its copies, [copies + 1, classes], not copied. */
export function rowLogits({ logits, count }: ExtractedRows, row: number): Float32Array {
  const width = logits.length / count;
  return logits.subarray(row * width, (row + 1) * width);
}

/**
 * Changes of row `row`, [columns of `changeColumns`], not copied.
 * @throws Error where the plan has no taps
 */
export function rowChanges({ changes, count }: ExtractedRows, row: number): Float32Array {
  assert(changes !== undefined, 'the plan of these rows has taps');
  const columns = changes.length / count;
  return changes.subarray(row * columns, (row + 1) * columns);
}

/** The vectors of all rows by a design. */
export function designVectors(rows: ExtractedRows, design: VectorDesign): RowVectors {
  const { plan, model } = rows.compiled;
  const length = planVectorLength(design, { classes: model.classes, plan });
  const vectors = new Float64Array(rows.count * length);
  for (let row = 0; row < rows.count; row++) {
    const changes = rows.changes === undefined ? undefined : rowChanges(rows, row);
    const own = { logits: rowLogits(rows, row), changes, plan, classes: model.classes };
    vectors.set(planVector(own, design), row * length);
  }
  const units = designReads[design].neurons ? planUnits(plan) : 0;
  return { count: rows.count, length, vectors, units };
}

/** Labels that the model gives the inputs themselves, [count]. */
export function predictedLabels(rows: ExtractedRows): Int32Array {
  const { classes } = rows.compiled.model;
  return Int32Array.from({ length: rows.count }, (_, row) =>
    argmax(rowLogits(rows, row).subarray(0, classes)),
  );
}

/** Gaps between the two highest logits of the inputs themselves, [count]. */
export function rowMargins(rows: ExtractedRows): Float64Array {
  const { classes } = rows.compiled.model;
  return Float64Array.from({ length: rows.count }, (_, row) =>
    logitMargin(rowLogits(rows, row).subarray(0, classes)),
  );
}

/** Mean over the copies with noise (without any, over all) of the l2 norm of the logits' change, [count]: the paper's scalar. */
export function rowNccrL2(rows: ExtractedRows): Float64Array {
  const { plan, model } = rows.compiled;
  const copies = planNoiseCopies(plan) || planCopies(plan);
  const neurons = model.classes;
  return Float64Array.from({ length: rows.count }, (_, row) =>
    nccrL2({ values: rowLogits(rows, row).subarray(0, (copies + 1) * neurons), copies, neurons }),
  );
}

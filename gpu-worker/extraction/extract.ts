// Extraction: one run of a compiled model.
import { assert, assertShape } from '../../shared/assert.ts';
import { compiledTensors } from '../../shared/contracts/extraction.ts';
import { float32Tensor, int64Tensor, type Tensor } from '../../shared/maths/tensor.ts';
import type { RowSelection } from '../../shared/noise/select-rows.ts';
import type { LoadedModel, RunOptions } from '../engine/engine.ts';

/** A batch of inputs with the noise of each. */
export interface ExtractionBatch {
  /** Row-major [R, ...inputShape], R at least 1. */
  readonly x: Float32Array;
  /** Shape of one input. */
  readonly inputShape: readonly number[];
  /** R selections of N rows each; of none where the plan has no noise. */
  readonly selections: readonly Pick<RowSelection, 'rows' | 'signs'>[];
}

/** What a compiled model says of a batch. */
export interface Extraction {
  /** Row-major [R, C + 1, K], C of `planCopies`: of each input its own logits, then those of its copies. */
  readonly logits: Float32Array;
  /** Row-major [R, D], the columns of `changeColumns`; undefined where the plan has no taps. */
  readonly changes: Float32Array | undefined;
}

/**
 * Extracts logits and changes of a batch.
 * @param model a loaded compiled model
 * @throws Error where the sizes do not fit each other; GuardError as `LoadedModel.run` does
 * @see NCCR, section 3.2
 */
export async function extract(
  model: LoadedModel,
  { x, inputShape, selections }: ExtractionBatch,
  options?: RunOptions,
): Promise<Extraction> {
  const count = selections.length;
  assert(count > 0, 'a batch has at least one input');
  assertShape(x, [count, ...inputShape], 'x');
  const outputs = await model.run(
    { [compiledTensors.input]: float32Tensor(x, [count, ...inputShape]), ...noiseFeeds(selections) },
    options,
  );
  return {
    logits: outputs[compiledTensors.logits].data as Float32Array,
    changes: outputs[compiledTensors.changes]?.data as Float32Array | undefined,
  };
}

/** The noise of a batch as the graph takes it; a graph without noise takes none. */
function noiseFeeds(selections: ExtractionBatch['selections']): Record<string, Tensor> {
  const shape = [selections.length, selections[0].rows.length];
  if (shape[1] === 0) return {};
  const rows = selections.flatMap((selection) => selection.rows);
  const signs = Float32Array.from(selections.flatMap((selection) => selection.signs));
  return {
    [compiledTensors.noiseRows]: int64Tensor(rows, shape),
    [compiledTensors.noiseSigns]: float32Tensor(signs, shape),
  };
}

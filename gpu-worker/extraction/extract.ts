// Extraction: one run of a compiled model.
import { assert, assertShape } from '../../shared/assert.ts';
import { compiledTensors } from '../../shared/contracts/extraction.ts';
import { float32Tensor, int64Tensor } from '../../shared/maths/tensor.ts';
import type { RowSelection } from '../../shared/noise/select-rows.ts';
import type { LoadedModel, RunOptions } from '../engine/engine.ts';

/** A batch of inputs with the noise of each. */
export interface ExtractionBatch {
  /** Row-major [R, ...inputShape], R at least 1. */
  readonly x: Float32Array;
  /** Shape of one input. */
  readonly inputShape: readonly number[];
  /** R selections of N rows each. */
  readonly selections: readonly Pick<RowSelection, 'rows' | 'signs'>[];
}

/** What a compiled model says of a batch. */
export interface Extraction {
  /** Row-major [R, N + 1, K]: of each input its own logits, then those of its copies. */
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
  const copies = selections[0].rows.length;
  const outputs = await model.run(
    {
      [compiledTensors.input]: float32Tensor(x, [count, ...inputShape]),
      [compiledTensors.noiseRows]: int64Tensor(
        selections.flatMap(({ rows }) => rows),
        [count, copies],
      ),
      [compiledTensors.noiseSigns]: float32Tensor(
        Float32Array.from(selections.flatMap(({ signs }) => signs)),
        [count, copies],
      ),
    },
    options,
  );
  return {
    logits: outputs[compiledTensors.logits].data as Float32Array,
    changes: outputs[compiledTensors.changes]?.data as Float32Array | undefined,
  };
}

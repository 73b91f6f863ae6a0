// Runs a loaded model over any number of rows, a few batches at a time.
import { elementCount, float32Tensor } from '../../shared/maths/tensor.ts';
import type { LoadedModel } from '../engine/engine.ts';

/** Rows of one run, as attacks take them. */
const batchRows = 32;
/** Batches that wait in the engine's queue together: enough for every worker, well under the queue's bound. */
const batchesMax = 32;

/**
 * @param model input `x [rows, ...inputShape]`, outputs [rows, ...] of float32
 * @param inputs row-major [rows, ...inputShape]
 * @param widths elements of a row of each output wanted
 * @returns each of these outputs, row-major [rows, width]
 */
export async function runInBatches<Name extends string>(
  model: LoadedModel,
  inputs: Float32Array,
  { inputShape, widths }: { inputShape: readonly number[]; widths: Readonly<Record<Name, number>> },
): Promise<Record<Name, Float32Array>> {
  const size = elementCount(inputShape);
  const rows = inputs.length / size;
  const names = Object.keys(widths) as Name[];
  const whole = Object.fromEntries(
    names.map((name) => [name, new Float32Array(rows * widths[name])]),
  ) as Record<Name, Float32Array>;
  const runBatch = async (start: number) => {
    const part = inputs.subarray(start * size, Math.min(rows, start + batchRows) * size);
    const x = float32Tensor(part, [part.length / size, ...inputShape]);
    const answer = await model.run({ x }, { outputs: names });
    for (const name of names) whole[name].set(answer[name].data as Float32Array, start * widths[name]);
  };
  for (let start = 0; start < rows; start += batchRows * batchesMax) {
    const batches = Math.min(batchesMax, Math.ceil((rows - start) / batchRows));
    await Promise.all(Array.from({ length: batches }, (_, batch) => runBatch(start + batch * batchRows)));
  }
  return whole;
}

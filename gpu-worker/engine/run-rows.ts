// Runs the rows of a batch one by one, so that what a row gives never depends on the rows beside it.
import { elementArrays, elementCount, type Tensor } from '../../shared/maths/tensor.ts';
import type { LoadedModel, RunOptions } from './engine.ts';

/** Named tensors whose first dimension is the batch. */
type Batch = Readonly<Record<string, Tensor>>;

/**
 * Runs a batch as single-row runs, spread over the engine's workers.
 *
 * A runtime may choose another kernel for another batch; a verdict must replay bit for bit whatever it was sent with.
 * Where one row fails, those that wait are given up.
 * @param feeds every tensor is [rows, ...]
 * @param rows at least 1
 * @returns every output as [rows, ...]
 * @throws GuardError as `LoadedModel.run` says, of the first row that fails
 */
export async function runRows(
  model: LoadedModel,
  feeds: Batch,
  { rows, ...options }: RunOptions & { readonly rows: number },
): Promise<Record<string, Tensor>> {
  // Most requests have one row.
  if (rows === 1) return model.run(feeds, options);
  const failure = new AbortController();
  const signal = AbortSignal.any([failure.signal, ...(options.signal === undefined ? [] : [options.signal])]);
  const runs = Array.from({ length: rows }, (_, row) => model.run(rowOf(feeds, row), { ...options, signal }));
  try {
    return concatenate(await Promise.all(runs));
  } catch (cause) {
    failure.abort(cause);
    throw cause;
  }
}

function rowOf(batch: Batch, row: number): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(batch).map(([name, { datatype, shape, data }]) => {
      const size = elementCount(shape.slice(1));
      const part = data.subarray(row * size, (row + 1) * size);
      return [name, { datatype, shape: [1, ...shape.slice(1)], data: part }];
    }),
  );
}

function concatenate(parts: readonly Batch[]): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(parts[0]).map(([name, { datatype, shape, data }]) => {
      const joined = new elementArrays[datatype](parts.length * data.length);
      for (const [row, part] of parts.entries()) joined.set(part[name].data as never, row * data.length);
      return [name, { datatype, shape: [parts.length, ...shape.slice(1)], data: joined }];
    }),
  );
}

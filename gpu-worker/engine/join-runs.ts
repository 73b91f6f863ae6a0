// Several runs of a model as one: their rows behind each other, filled up to a size that the runtime has seen before.
import { assert } from '../../shared/assert.ts';
import { elementArrays, elementCount, type Tensor } from '../../shared/maths/tensor.ts';
import type { JoinedBy } from './run-queue.ts';

type Named = Readonly<Record<string, Tensor>>;

/**
 * Sizes of batches up to `rowsMax` rows: powers of two, so that a runtime which prepares itself for each size does so a few times only.
 * @returns ascending; the last is `rowsMax`
 */
export function batchSizes(rowsMax: number): number[] {
  const sizes: number[] = [];
  for (let size = 1; size < rowsMax; size *= 2) sizes.push(size);
  return [...sizes, rowsMax];
}

/**
 * What a run may be joined with: runs of the same model, outputs and rows.
 * @param feeds the inputs; all have the batch as their first dimension
 * @returns undefined where the inputs differ in their rows, which the runtime is to refuse of this run alone
 */
export function joinedBy(
  model: number,
  { feeds, outputs }: { readonly feeds: Named; readonly outputs: readonly string[] | undefined },
): JoinedBy | undefined {
  const tensors = Object.entries(feeds);
  const rows = tensors[0]?.[1].shape[0];
  if (rows === undefined || rows < 1 || tensors.some(([, { shape }]) => shape[0] !== rows)) return undefined;
  const types = tensors.map(([name, { datatype, shape }]) => [name, datatype, ...shape.slice(1)]);
  return { key: JSON.stringify([model, outputs, types]), rows };
}

/**
 * Puts the rows of several runs behind each other; what is missing to `rows` are copies of the first row, whose outputs are dropped.
 * @param runs inputs of each, by the same names
 */
export function joinFeeds(runs: readonly Named[], rows: number): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(runs[0]).map(([name, { datatype, shape }]) => {
      const size = elementCount(shape.slice(1));
      const data = new elementArrays[datatype](rows * size);
      let end = 0;
      for (const run of runs) {
        data.set(run[name].data as never, end);
        end += run[name].data.length;
      }
      for (; end < data.length; end += size) data.copyWithin(end, 0, size);
      return [name, { datatype, shape: [rows, ...shape.slice(1)], data }];
    }),
  );
}

/**
 * Gives each run the rows that are its own.
 * @param outputs of `joinFeeds`' rows
 * @param counts rows of each run, in their order
 */
export function splitOutputs(
  outputs: Named,
  counts: readonly number[],
  rows: number,
): Record<string, Tensor>[] {
  let first = 0;
  return counts.map((count) => {
    const own = Object.entries(outputs).map(([name, { datatype, shape, data }]) => {
      assert(shape[0] === rows, 'each output of runs that are joined has their rows');
      const size = elementCount(shape.slice(1));
      const part = {
        datatype,
        shape: [count, ...shape.slice(1)],
        data: data.slice(first * size, (first + count) * size),
      };
      return [name, part] as const;
    });
    first += count;
    return Object.fromEntries(own);
  });
}

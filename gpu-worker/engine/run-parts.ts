// Runs a batch part by part, all parts of one size, so that a row gives the same bits wherever the batch was cut.
import { assert } from '../../shared/assert.ts';
import { elementArrays, elementCount, type Tensor } from '../../shared/maths/tensor.ts';
import type { LoadedModel, RunOptions } from './engine.ts';

/** Rows that are made when their turn has come. */
export interface LazyRows {
  readonly datatype: 'FP32';
  /** [rows, ...]. */
  readonly shape: readonly number[];
  /** Makes `count` rows from `first` on, row-major. */
  readonly read: (first: number, count: number) => Promise<Float32Array>;
}

/** Inputs whose first dimension is the batch. */
export type PartFeeds = Readonly<Record<string, Tensor | LazyRows>>;

/** How a batch is parted. */
export interface PartOptions extends RunOptions {
  /** Rows of the batch, at least 1. */
  readonly rows: number;
  /** Rows of a part. */
  readonly partRows: number;
  /** Parts that are made, wait or run at the same time: the others leave the queue to other callers. */
  readonly inFlight: number;
}

/**
 * Runs a batch in parts of `partRows` rows; a last part that has fewer is filled up with copies of its first row, whose outputs
 * are dropped.
 *
 * A runtime chooses its kernels by the shape of a batch. Where every run has the same shape, what a row gives is the same however
 * many rows a request had.
 * @returns every output as [rows, ...]
 * @throws GuardError as `LoadedModel.run` and `LazyRows.read` say, of the first part that fails; the others are given up
 */
export async function runParts(
  model: LoadedModel,
  feeds: PartFeeds,
  { rows, partRows, inFlight, ...options }: PartOptions,
): Promise<Record<string, Tensor>> {
  assert(rows > 0 && partRows > 0 && inFlight > 0, 'there are rows, in parts, some at a time');
  const failure = new AbortController();
  const signal = AbortSignal.any([failure.signal, ...(options.signal === undefined ? [] : [options.signal])]);
  const joined: Record<string, Tensor> = {};
  let next = 0;
  const work = async () => {
    for (let first = next; first < rows; first = next) {
      next += partRows;
      const count = Math.min(partRows, rows - first);
      const part = await partOf(feeds, { first, count, partRows });
      signal.throwIfAborted();
      place(await model.run(part, { ...options, signal }), { joined, first, count, rows });
    }
  };
  try {
    await Promise.all(Array.from({ length: inFlight }, work));
    return joined;
  } catch (cause) {
    failure.abort(cause);
    throw cause;
  }
}

async function partOf(
  feeds: PartFeeds,
  { first, count, partRows }: { first: number; count: number; partRows: number },
): Promise<Record<string, Tensor>> {
  const part: Record<string, Tensor> = {};
  for (const [name, feed] of Object.entries(feeds)) {
    const { datatype, shape } = feed;
    const size = elementCount(shape.slice(1));
    const own =
      'read' in feed
        ? await feed.read(first, count)
        : feed.data.subarray(first * size, (first + count) * size);
    const data = new elementArrays[datatype](partRows * size);
    data.set(own as never);
    for (let row = count; row < partRows; row++) data.set(own.subarray(0, size) as never, row * size);
    part[name] = { datatype, shape: [partRows, ...shape.slice(1)], data };
  }
  return part;
}

/** Puts the rows of a part where they belong. */
function place(
  outputs: Readonly<Record<string, Tensor>>,
  {
    joined,
    first,
    count,
    rows,
  }: { joined: Record<string, Tensor>; first: number; count: number; rows: number },
): void {
  for (const [name, { datatype, shape, data }] of Object.entries(outputs)) {
    const size = elementCount(shape.slice(1));
    joined[name] ??= {
      datatype,
      shape: [rows, ...shape.slice(1)],
      data: new elementArrays[datatype](rows * size),
    };
    joined[name].data.set(data.subarray(0, count * size) as never, first * size);
  }
}

// Checks the tensors of a request against what the model takes, before anything is queued.
import { type ErrorPlace, GuardError } from '../../shared/errors.ts';
import { batchRowsMax } from '../../shared/limits.ts';
import type { TensorSpec } from './engine.ts';

/** What is looked at of a tensor. */
export interface FeedHead {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
}

/** Feeds that fit a model. */
export interface CheckedFeeds<T extends FeedHead> {
  readonly feeds: Readonly<Record<string, T>>;
  /** Extent of the free first dimension; undefined where the model's batch is fixed. */
  readonly rows: number | undefined;
}

/**
 * Checks names, datatypes, shapes and the number of rows.
 * @param inputs tensors of the request, in its order
 * @param specs inputs of the model
 * @throws GuardError `invalid_input` with every place that is wrong, `batch_too_large` over `rowsMax` rows
 */
export function checkFeeds<T extends FeedHead>(
  inputs: readonly T[],
  specs: readonly TensorSpec[],
  rowsMax = batchRowsMax,
): CheckedFeeds<T> {
  const places = inputs.flatMap((tensor, index) => tensorFaults(tensor, index, specs));
  for (const { name } of specs) {
    if (!inputs.some((tensor) => tensor.name === name))
      places.push({ pointer: '/inputs', detail: `input ${name} is missing` });
  }
  const batched = inputs.filter((tensor) =>
    specs.some(({ name, shape }) => name === tensor.name && shape[0] === -1),
  );
  const rows = batched[0]?.shape[0];
  if (places.length === 0 && batched.some(({ shape }) => shape[0] !== rows)) {
    const extents = batched.map(({ name, shape }) => `${name} ${shape[0]}`).join(', ');
    places.push({ pointer: '/inputs', detail: `the inputs differ in their number of rows: ${extents}` });
  }
  const first = places[0];
  if (first !== undefined)
    throw new GuardError('invalid_input', `${first.pointer}: ${first.detail}`, { places });
  if (rows !== undefined && rows > rowsMax) {
    throw new GuardError('batch_too_large', `${rows} rows; the limit is ${rowsMax}`);
  }
  return { feeds: Object.fromEntries(inputs.map((tensor) => [tensor.name, tensor])), rows };
}

function tensorFaults(tensor: FeedHead, index: number, specs: readonly TensorSpec[]): ErrorPlace[] {
  const where = `/inputs/${index}`;
  const spec = specs.find(({ name }) => name === tensor.name);
  if (spec === undefined) {
    const known = specs.map(({ name }) => name).join(', ');
    return [{ pointer: `${where}/name`, detail: `the model has no input ${tensor.name}; it has ${known}` }];
  }
  const faults: ErrorPlace[] = [];
  if (tensor.datatype !== spec.datatype) {
    faults.push({ pointer: `${where}/datatype`, detail: `${tensor.datatype} instead of ${spec.datatype}` });
  }
  const fits =
    tensor.shape.length === spec.shape.length &&
    spec.shape.every((extent, axis) => extent === -1 || extent === tensor.shape[axis]);
  if (!fits) {
    const detail = `[${tensor.shape.join(', ')}] instead of [${spec.shape.join(', ')}]`;
    faults.push({ pointer: `${where}/shape`, detail });
  } else if (tensor.shape.includes(0)) {
    faults.push({ pointer: `${where}/shape`, detail: 'an empty tensor' });
  }
  return faults;
}

// Checks a request's body against the profile of the model that the detector was made for.
import type { DetectorArtefact } from '../../shared/contracts/detector-artefact.ts';
import { headerLengthHeader } from '../../shared/contracts/inference.ts';
import { type ErrorPlace, GuardError } from '../../shared/errors.ts';
import { batchRowsMax } from '../../shared/limits.ts';
import { elementCount, type NamedTensor } from '../../shared/maths/tensor.ts';
import { readRequest } from '../../shared/oip/read-message.ts';

/** Places that one answer names. */
const placesMax = 8;

/** An input that the detector can score. */
export interface ValidInput {
  /** Row-major [rows, ...input shape], finite and within the model's range. */
  readonly values: Float32Array;
  readonly shape: readonly number[];
  readonly rows: number;
}

/**
 * Parses and checks a body.
 * @throws GuardError `unsupported_media_type`, `malformed_request`, `invalid_input` or `batch_too_large`
 */
export function validateInput(
  { body, headers }: { readonly body: Uint8Array; readonly headers: Headers },
  { model, plan }: Pick<DetectorArtefact, 'model' | 'plan'>,
): ValidInput {
  const headerLength = headers.get(headerLengthHeader);
  checkMediaType(headers, headerLength);
  const { inputs } = readRequest({ bytes: body, headerLength });
  if (inputs.length !== 1) throw invalidAt('/inputs', `${inputs.length} inputs; the model has one`);
  const [input] = inputs;
  checkProfile(input, model);
  const rows = input.shape[0];
  if (rows > batchRowsMax) {
    const detail = `a batch of ${rows}; the limit is ${batchRowsMax}`;
    throw new GuardError('batch_too_large', detail, { places: [{ pointer: '/inputs/0/shape/0', detail }] });
  }
  const values = input.data as Float32Array;
  checkRange(values, plan.input_range);
  return { values, shape: input.shape, rows };
}

/** One row of a valid input, not copied. */
export function rowOf({ values, rows }: ValidInput, row: number): Float32Array {
  const size = values.length / rows;
  return values.subarray(row * size, (row + 1) * size);
}

function checkMediaType(headers: Headers, headerLength: string | null): void {
  const coding = headers.get('content-encoding');
  if (coding !== null && coding !== 'identity') {
    throw new GuardError('unsupported_media_type', 'a body with a content-encoding is not supported');
  }
  const type = (headers.get('content-type') ?? '').split(';')[0].trim().toLowerCase();
  if (type === 'application/json') return;
  if (type === 'application/octet-stream' && headerLength !== null) return;
  const detail = `content-type must be application/json, or application/octet-stream with ${headerLengthHeader}`;
  throw new GuardError('unsupported_media_type', detail);
}

function checkProfile({ name, datatype, shape }: NamedTensor, model: DetectorArtefact['model']): void {
  if (name !== model.input_name) {
    throw invalidAt('/inputs/0/name', `the model's input is named ${model.input_name}`);
  }
  if (datatype !== 'FP32') throw invalidAt('/inputs/0/datatype', `${datatype}; the model reads FP32`);
  const [rows, ...rowShape] = shape;
  if (rowShape.join() !== model.input_shape.join() || !(rows >= 1) || elementCount(shape) === 0) {
    const wanted = `[rows, ${model.input_shape.join(', ')}] with at least one row`;
    throw invalidAt('/inputs/0/shape', `[${shape.join(', ')}]; the model reads ${wanted}`);
  }
}

function checkRange(values: Float32Array, [lowest, highest]: readonly [number, number]): void {
  // The bounds as the client's own float32 conversion would round them.
  const [low, high] = [Math.fround(lowest), Math.fround(highest)];
  const places: ErrorPlace[] = [];
  for (let index = 0; index < values.length && places.length < placesMax; index++) {
    const value = values[index];
    // Written so that a NaN fails it.
    if (value >= low && value <= high) continue;
    const detail = `element ${index} is ${value}; the model reads ${lowest} to ${highest}`;
    places.push({ pointer: `/inputs/0/data/${index}`, detail });
  }
  if (places.length > 0) throw new GuardError('invalid_input', places[0].detail, { places });
}

function invalidAt(pointer: string, detail: string): GuardError {
  return new GuardError('invalid_input', `${pointer}: ${detail}`, { places: [{ pointer, detail }] });
}

// Checks a request's body against the profile of the model that the detector was made for.
import type { DetectorArtefact } from '../../shared/contracts/detector-artefact.ts';
import { headerLengthHeader, type Parameters } from '../../shared/contracts/inference.ts';
import { type ErrorPlace, GuardError } from '../../shared/errors.ts';
import { batchRowsMax } from '../../shared/limits.ts';
import { elementCount, type NamedTensor } from '../../shared/maths/tensor.ts';
import { type ReadRequest, readRequest } from '../../shared/oip/read-message.ts';
import { readPredictRequest } from '../../shared/tensorflow-serving/predict-request.ts';
import type { ConfiguredModel } from '../model-variables.ts';

/** Places that one answer names. */
const placesMax = 8;

/**
 * Parameters of a whole request that let a server take its tensors from elsewhere, or read them otherwise, than is scored; and
 * those by which the guard itself speaks.
 */
const refusedParameter = /^(shared_memory|guard_|(raw_input_)?contents$|content_type$)/i;

/** A body as it came, and the model that it was sent to, whose server says how it is read. */
export interface InputMessage {
  readonly model: Pick<ConfiguredModel, 'protocol'>;
  readonly body: Uint8Array;
  readonly headers: Headers;
}

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
  message: InputMessage,
  { model, plan }: Pick<DetectorArtefact, 'model' | 'plan'>,
): ValidInput {
  const { input, where } = readInput(message, model);
  const rows = input.shape[0];
  if (rows > batchRowsMax) {
    const detail = `a batch of ${rows}; the limit is ${batchRowsMax}`;
    throw new GuardError('batch_too_large', detail, { places: [{ pointer: where.rows, detail }] });
  }
  const values = input.data as Float32Array;
  checkRange(values, plan.input_range, where.data);
  checkContent(values, rows, where.data);
  return { values, shape: input.shape, rows };
}

/**
 * Reads an inference request of the Open Inference Protocol.
 * @throws GuardError `unsupported_media_type`, `malformed_request`, or `invalid_input`
 */
export function readInference({ body, headers }: Omit<InputMessage, 'model'>): ReadRequest {
  const headerLength = headers.get(headerLengthHeader);
  checkMediaType(headers, headerLength);
  const request = readRequest({ bytes: body, headerLength });
  checkParameters(request.parameters, request.inputParameters);
  return request;
}

/** JSON pointers to the only input, for errors. */
interface InputPlace {
  readonly data: string;
  readonly rows: string;
}

function readInput(
  { model: { protocol }, body, headers }: InputMessage,
  model: DetectorArtefact['model'],
): { input: NamedTensor; where: InputPlace } {
  if (protocol === 'tensorflow-serving') {
    // The server reads JSON whatever the content-type says, and clients commonly send that of a form.
    checkEncoding(headers);
    const profile = { inputName: model.input_name, inputShape: model.input_shape };
    const { input, where } = readPredictRequest(body, profile);
    return { input, where: { data: where, rows: where } };
  }
  const { inputs } = readInference({ body, headers });
  if (inputs.length !== 1) throw invalidAt('/inputs', `${inputs.length} inputs; the model has one`);
  const [input] = inputs;
  checkProfile(input, model);
  return { input, where: { data: '/inputs/0/data', rows: '/inputs/0/shape/0' } };
}

/** One row of a valid input, not copied. */
export function rowOf({ values, rows }: ValidInput, row: number): Float32Array {
  const size = values.length / rows;
  return values.subarray(row * size, (row + 1) * size);
}

/** Refuses what would have to be unpacked or decoded otherwise first; gives the media type in lower case, empty where none is said. */
function checkEncoding(headers: Headers): string {
  const coding = headers.get('content-encoding');
  if (coding !== null && coding !== 'identity') {
    throw new GuardError('unsupported_media_type', 'a body with a content-encoding is not supported');
  }
  const [type, ...parameters] = (headers.get('content-type') ?? '')
    .split(';')
    .map((part) => part.trim().toLowerCase());
  if (parameters.some((part) => part.startsWith('charset') && !/^charset=("?)utf-8\1$/.test(part))) {
    throw new GuardError('unsupported_media_type', 'a charset other than utf-8 is not supported');
  }
  return type;
}

function checkMediaType(headers: Headers, headerLength: string | null): void {
  const type = checkEncoding(headers);
  // Triton's own clients name no type: the header alone says whether tensors follow the JSON.
  if (type === '' || type === 'application/json') return;
  if (type === 'application/octet-stream' && headerLength !== null) return;
  const detail = `content-type must be application/json, or application/octet-stream with ${headerLengthHeader}`;
  throw new GuardError('unsupported_media_type', detail);
}

/** What is forwarded are the client's bytes: what the upstream would read of them and the guard does not is refused. */
function checkParameters(ofRequest: Parameters, ofInputs: readonly Parameters[]): void {
  const refused = [
    ...Object.keys(ofRequest)
      .filter((name) => refusedParameter.test(name))
      .map((name) => ({ at: '/parameters', name })),
    ...ofInputs.flatMap((parameters, index) =>
      Object.keys(parameters)
        .filter((name) => name !== 'binary_data_size')
        .map((name) => ({ at: `/inputs/${index}/parameters`, name })),
    ),
  ];
  if (refused.length === 0) return;
  const [{ at, name }] = refused;
  throw invalidAt(at, `parameter ${name.slice(0, 100)} is not supported`);
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

function checkRange(values: Float32Array, [lowest, highest]: readonly [number, number], where: string): void {
  // The bounds as the client's own float32 conversion would round them.
  const [low, high] = [Math.fround(lowest), Math.fround(highest)];
  const places: ErrorPlace[] = [];
  for (let index = 0; index < values.length && places.length < placesMax; index++) {
    const value = values[index];
    // Written so that a NaN fails it.
    if (value >= low && value <= high) continue;
    const detail = `element ${index} is ${value}; the model reads ${lowest} to ${highest}`;
    places.push({ pointer: `${where}/${index}`, detail });
  }
  if (places.length > 0) throw new GuardError('invalid_input', places[0].detail, { places });
}

/** A row of one value throughout stays as it is under every transform, so that it would look clean whatever the model sees in it. */
function checkContent(values: Float32Array, rows: number, where: string): void {
  const size = values.length / rows;
  // A model of one number reads nothing but constant rows.
  if (size === 1) return;
  for (let row = 0; row < rows; row++) {
    const first = values[row * size];
    if (!values.subarray(row * size, (row + 1) * size).every((value) => value === first)) continue;
    const detail = `row ${row} is constant: there is nothing to score`;
    throw new GuardError('invalid_input', detail, { places: [{ pointer: where, detail }] });
  }
}

function invalidAt(pointer: string, detail: string): GuardError {
  return new GuardError('invalid_input', `${pointer}: ${detail}`, { places: [{ pointer, detail }] });
}

// Reads an Open Inference Protocol v2 body, JSON or with the binary extension, into tensors.
import type { z } from 'zod';
import {
  type InferenceRequest,
  type InferenceResponse,
  inferenceRequestSchema,
  inferenceResponseSchema,
  type Parameters,
  type WireTensor,
} from '../contracts/inference.ts';
import { type ErrorPlace, GuardError } from '../errors.ts';
import { tensorElementsMax } from '../limits.ts';
import { elementCount, type NamedTensor } from '../maths/tensor.ts';
import type { ByteTensor } from './byte-elements.ts';
import { elementsFromBytes, elementsFromJson, isDatatype } from './elements.ts';
import { parseJson } from './parse-json.ts';

/** A body and the header that splits it. */
export interface OipBody {
  readonly bytes: Uint8Array;
  /** Value of `Inference-Header-Content-Length`, where the message has one. */
  readonly headerLength?: string | null | undefined;
}

/** A request with its tensors read. */
export interface ReadRequest<T = NamedTensor> {
  readonly id: string | undefined;
  readonly parameters: Parameters;
  readonly inputs: readonly T[];
  /** The parameters of each input, in the order of `inputs`. */
  readonly inputParameters: readonly Parameters[];
  /** Outputs asked for; undefined means all. */
  readonly outputs: InferenceRequest['outputs'];
}

/** An answer with its tensors read. */
export interface ReadResponse extends Pick<InferenceResponse, 'model_name' | 'model_version' | 'id'> {
  readonly parameters: Parameters;
  readonly outputs: readonly NamedTensor[];
}

/**
 * Reads an inference request.
 * @param tensorElements largest number of elements of one tensor
 * @throws GuardError `malformed_request` where it is no such message, `invalid_input` where a tensor is not what it says
 */
export function readRequest(body: OipBody, tensorElements = tensorElementsMax): ReadRequest {
  return requestOf(body, tensorElements, readTensor);
}

/**
 * Reads an inference request whose inputs may be of the datatype BYTES as well, which follow the JSON as raw bytes; what their
 * elements are is not looked at.
 * @param tensorElements largest number of elements of one tensor
 * @throws GuardError as {@link readRequest} does
 */
export function readRequestWithBytes(
  body: OipBody,
  tensorElements: number,
): ReadRequest<NamedTensor | ByteTensor> {
  return requestOf(body, tensorElements, (tensor, bytes, where) => {
    const { name, shape, datatype } = tensor;
    if (datatype !== 'BYTES') return readTensor(tensor, bytes, where);
    if (bytes === undefined) throw invalid(where, 'BYTES are read as binary data alone');
    return { name, shape, datatype, data: bytes };
  });
}

function requestOf<T>(body: OipBody, tensorElements: number, read: TensorReader<T>): ReadRequest<T> {
  const { json, rest } = splitBody(body);
  const request = validate(inferenceRequestSchema, json);
  const inputs = readTensors(request.inputs, { rest, list: 'inputs', tensorElements, read });
  return {
    id: request.id,
    parameters: request.parameters ?? {},
    inputs,
    inputParameters: request.inputs.map(({ parameters }) => parameters ?? {}),
    outputs: request.outputs,
  };
}

/**
 * Reads the answer to an inference request.
 * @throws GuardError `malformed_request` or `invalid_input`; callers turn it into the code of the neighbour that answered
 */
export function readResponse(body: OipBody, tensorElements = tensorElementsMax): ReadResponse {
  const { json, rest } = splitBody(body);
  const { model_name, model_version, id, parameters, outputs } = validate(inferenceResponseSchema, json);
  return {
    model_name,
    ...(model_version === undefined ? {} : { model_version }),
    ...(id === undefined ? {} : { id }),
    parameters: parameters ?? {},
    outputs: readTensors(outputs, { rest, list: 'outputs', tensorElements, read: readTensor }),
  };
}

function splitBody({ bytes, headerLength }: OipBody): { json: unknown; rest: Uint8Array } {
  if (headerLength === undefined || headerLength === null)
    return { json: parseJson(bytes), rest: new Uint8Array(0) };
  if (!/^\d{1,10}$/.test(headerLength)) {
    throw badHeaderLength(
      `Inference-Header-Content-Length is ${JSON.stringify(headerLength)}, not a byte count`,
    );
  }
  const length = Number(headerLength);
  if (length === 0) throw badHeaderLength('a body without its JSON part is not supported');
  if (length > bytes.length) {
    throw badHeaderLength(`Inference-Header-Content-Length is ${length}, the body has ${bytes.length} bytes`);
  }
  return { json: parseJson(bytes.subarray(0, length)), rest: bytes.subarray(length) };
}

/** Reads one tensor out of its JSON or, where it has some, its raw bytes. */
type TensorReader<T> = (tensor: WireTensor, bytes: Uint8Array | undefined, where: string) => T;

function readTensor(
  { name, shape, datatype, data }: WireTensor,
  bytes: Uint8Array | undefined,
  where: string,
): NamedTensor {
  if (!isDatatype(datatype)) throw invalid(`${where}/datatype`, `datatype ${datatype} is not supported`);
  const type = { datatype, shape };
  const elements =
    bytes === undefined
      ? elementsFromJson(data, type, `${where}/data`)
      : elementsFromBytes(bytes, type, where);
  return { name, shape, datatype, data: elements };
}

function readTensors<T>(
  tensors: readonly WireTensor[],
  {
    rest,
    list,
    tensorElements,
    read: readOne,
  }: { rest: Uint8Array; list: string; tensorElements: number; read: TensorReader<T> },
): T[] {
  const names = new Set<string>();
  let offset = 0;
  const read = tensors.map((tensor, index): T => {
    const where = `/${list}/${index}`;
    if (names.has(tensor.name))
      throw invalid(where, `a second tensor named ${tensor.name}`, 'malformed_request');
    names.add(tensor.name);
    const count = elementCount(tensor.shape);
    if (count > tensorElements)
      throw invalid(`${where}/shape`, `${count} elements; the limit is ${tensorElements}`);
    const size = tensor.parameters?.binary_data_size;
    if (size === undefined) {
      if (tensor.data === undefined)
        throw invalid(where, 'neither data nor binary_data_size', 'malformed_request');
      return readOne(tensor, undefined, where);
    }
    if (tensor.data !== undefined)
      throw invalid(where, 'both data and binary_data_size', 'malformed_request');
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0 || size > rest.length - offset) {
      const left = `${rest.length - offset} bytes are left of the body`;
      throw invalid(where, `binary_data_size is ${String(size)}, ${left}`, 'malformed_request');
    }
    const bytes = rest.subarray(offset, offset + size);
    offset += size;
    return readOne(tensor, bytes, where);
  });
  if (offset !== rest.length) {
    throw badHeaderLength(
      `${rest.length - offset} bytes follow the last tensor that the JSON part announces`,
    );
  }
  return read;
}

function validate<S extends z.ZodType>(schema: S, json: unknown): z.infer<S> {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const places = parsed.error.issues.slice(0, 8).map((issue): ErrorPlace => {
    // A message repeats the names of unknown members, which are as long as the sender likes.
    const detail = issue.message.slice(0, 200);
    return { pointer: `/${issue.path.map(String).join('/')}`, detail };
  });
  const first = places[0];
  const detail = first === undefined ? 'not an inference message' : `${first.pointer}: ${first.detail}`;
  throw new GuardError('malformed_request', detail, { places });
}

function badHeaderLength(detail: string): GuardError {
  const places = [{ pointer: 'inference-header-content-length', detail }];
  return new GuardError('malformed_request', detail, { places });
}

function invalid(
  pointer: string,
  detail: string,
  code: 'malformed_request' | 'invalid_input' = 'invalid_input',
): GuardError {
  return new GuardError(code, `${pointer}: ${detail}`, { places: [{ pointer, detail }] });
}

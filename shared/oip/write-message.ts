// Writes Open Inference Protocol v2 bodies, JSON or with the binary extension.
import { headerLengthHeader, type InferenceRequest, type Parameters } from '../contracts/inference.ts';
import type { NamedTensor } from '../maths/tensor.ts';
import type { ByteTensor } from './byte-elements.ts';
import { elementsToBytes, elementsToJson } from './elements.ts';
import { jsonText } from './json-text.ts';

/** A body ready to be sent with its headers. */
export interface OipMessage {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly headers: Readonly<Record<string, string>>;
}

/** Writes a request whose tensors follow the JSON as raw bytes, and asks for the answer in the same form. */
export function writeBinaryRequest(
  inputs: readonly (NamedTensor | ByteTensor)[],
  parameters: Parameters = {},
): OipMessage {
  const json = { parameters: { ...parameters, binary_data_output: true }, inputs: inputs.map(announce) };
  return withBinary(json, inputs);
}

/** What a request says beside its tensors. */
export type RequestHead = Pick<InferenceRequest, 'id' | 'parameters' | 'outputs'>;

/** Writes a request; its tensors follow the JSON as raw bytes where it is `binary`. The form of the answer is left to the head. */
export function writeRequest(
  { id, parameters, outputs }: RequestHead,
  inputs: readonly NamedTensor[],
  { binary }: { readonly binary: boolean },
): OipMessage {
  const json = {
    ...(id === undefined ? {} : { id }),
    ...(parameters === undefined || Object.keys(parameters).length === 0 ? {} : { parameters }),
    inputs: binary ? inputs.map(announce) : inputs.map(inJson),
    ...(outputs === undefined ? {} : { outputs }),
  };
  return binary ? withBinary(json, inputs) : withoutBinary(json);
}

/** What an answer says beside its tensors. */
export interface ResponseHead {
  readonly model_name: string;
  readonly model_version?: string;
  readonly id?: string;
  readonly parameters?: Parameters;
}

/** Writes an answer; the tensors that `binary` names follow the JSON as raw bytes. */
export function writeResponse(
  head: ResponseHead,
  outputs: readonly NamedTensor[],
  binary: (name: string) => boolean,
): OipMessage {
  const raw = outputs.filter(({ name }) => binary(name));
  const written = outputs.map((tensor) => (binary(tensor.name) ? announce(tensor) : inJson(tensor)));
  const json = { ...head, outputs: written };
  return raw.length > 0 ? withBinary(json, raw) : withoutBinary(json);
}

function inJson(tensor: NamedTensor): object {
  const { name, datatype, shape } = tensor;
  return { name, datatype, shape, data: elementsToJson(tensor) };
}

function withoutBinary(json: object): OipMessage {
  const body = new TextEncoder().encode(jsonText(json));
  return { body, headers: { 'content-type': 'application/json' } };
}

function announce({ name, datatype, shape, data }: NamedTensor | ByteTensor): object {
  return { name, datatype, shape, parameters: { binary_data_size: data.byteLength } };
}

function withBinary(json: object, tensors: readonly (NamedTensor | ByteTensor)[]): OipMessage {
  const head = new TextEncoder().encode(JSON.stringify(json));
  const parts = tensors.map(elementsToBytes);
  const body = new Uint8Array(parts.reduce((sum, part) => sum + part.length, head.length));
  body.set(head);
  let offset = head.length;
  for (const part of parts) {
    body.set(part, offset);
    offset += part.length;
  }
  const headers = { 'content-type': 'application/octet-stream', [headerLengthHeader]: String(head.length) };
  return { body, headers };
}

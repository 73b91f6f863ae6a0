// A second reader of inference requests, written from the protocol and RFC 8259 alone: what is accepted must read the same here.
import { mustHold } from '../target.ts';

/** A number as it is written. */
interface JsonNumber {
  readonly text: string;
}

type Json = null | boolean | string | JsonNumber | readonly Json[] | ReadonlyMap<string, Json>;

/** A tensor with its elements as little-endian bytes. */
export interface StrictTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** A body and where its JSON part ends; all of it where there is no header. */
export interface StrictBody {
  readonly bytes: Uint8Array;
  readonly jsonBytes?: number | undefined;
}

/** Writes one element; bytes of an element by datatype. */
const elements: Readonly<
  Record<string, readonly [number, (view: DataView, at: number, value: JsonNumber) => void]>
> = {
  BOOL: [1, (view, at, { text }) => view.setUint8(at, Number(text))],
  UINT8: [1, (view, at, { text }) => view.setUint8(at, Number(text))],
  UINT16: [2, (view, at, { text }) => view.setUint16(at, Number(text), true)],
  UINT32: [4, (view, at, { text }) => view.setUint32(at, Number(text), true)],
  UINT64: [8, (view, at, value) => view.setBigUint64(at, wholeOf(value), true)],
  INT8: [1, (view, at, { text }) => view.setInt8(at, Number(text))],
  INT16: [2, (view, at, { text }) => view.setInt16(at, Number(text), true)],
  INT32: [4, (view, at, { text }) => view.setInt32(at, Number(text), true)],
  INT64: [8, (view, at, value) => view.setBigInt64(at, wholeOf(value), true)],
  FP32: [4, (view, at, { text }) => view.setFloat32(at, Number(text), true)],
  FP64: [8, (view, at, { text }) => view.setFloat64(at, Number(text), true)],
};

/**
 * Reads the tensors of a message that the guard accepted.
 * @param list `inputs` or `outputs`
 * @throws Finding where this reader would refuse it
 */
export function readStrictly({ bytes, jsonBytes = bytes.length }: StrictBody, list: string): StrictTensor[] {
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
    bytes.subarray(0, jsonBytes),
  );
  const message = parseStrictly(text);
  mustHold(isObject(message), 'the message is no object');
  const tensors = message.get(list);
  mustHold(Array.isArray(tensors), `${list} is no list`);
  let offset = jsonBytes;
  const read = (tensors as readonly Json[]).map((tensor): StrictTensor => {
    mustHold(isObject(tensor), 'a tensor is no object');
    const shape = (tensor.get('shape') as readonly JsonNumber[]).map(({ text }) => Number(text));
    const datatype = tensor.get('datatype') as string;
    const name = tensor.get('name') as string;
    const size = (tensor.get('parameters') as ReadonlyMap<string, Json> | undefined)?.get('binary_data_size');
    if (size === undefined) {
      const values = flatElements(tensor.get('data'));
      const count = shape.reduce((product, extent) => product * extent, 1);
      mustHold(values.length === count, `${values.length} elements of ${count}`);
      return { name, datatype, shape, bytes: packed(values, datatype) };
    }
    const start = offset;
    offset += Number((size as JsonNumber).text);
    return { name, datatype, shape, bytes: bytes.subarray(start, offset) };
  });
  mustHold(offset === bytes.length, `${bytes.length - offset} bytes are left`);
  return read;
}

function packed(values: readonly Json[], datatype: string): Uint8Array {
  const [size, write] = elements[datatype];
  const bytes = new Uint8Array(size * values.length);
  const view = new DataView(bytes.buffer);
  for (const [index, value] of values.entries()) {
    const number = typeof value === 'boolean' ? { text: value ? '1' : '0' } : value;
    mustHold(isNumber(number), `element ${index} is no number`);
    write(view, index * size, number);
  }
  return bytes;
}

/** Exactly, where it is written as a whole number. */
function wholeOf({ text }: JsonNumber): bigint {
  return /^-?\d+$/.test(text) ? BigInt(text) : BigInt(Number(text));
}

/** Elements of nested lists in their order; what is no list is an element. */
export function flatElements(value: Json | undefined): readonly Json[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value.flatMap((inner: Json) => flatElements(inner)) : [value];
}

function isObject(value: Json | undefined): value is ReadonlyMap<string, Json> {
  return value instanceof Map;
}

/** Whether a value is a number. */
export function isNumber(value: Json): value is JsonNumber {
  return typeof value === 'object' && value !== null && 'text' in value;
}

/**
 * Parses JSON to the letter.
 * @throws Finding where the text is no JSON document or has a key twice
 * @see RFC 8259
 */
export function parseStrictly(text: string): Json {
  let at = 0;
  const space = /[ \t\n\r]*/y;
  const skip = () => {
    space.lastIndex = at;
    space.exec(text);
    at = space.lastIndex;
  };
  const take = (token: RegExp): string | undefined => {
    token.lastIndex = at;
    const found = token.exec(text)?.[0];
    at += found?.length ?? 0;
    return found;
  };
  const string = (): string => {
    const found = take(/"(?:[^"\\]|\\["\\/bfnrt]|\\u[\dA-Fa-f]{4})*"/y);
    mustHold(found !== undefined, `no string at ${at}`);
    const isBare = (_: unknown, at: number) => found.charCodeAt(at) < 0x20;
    mustHold(!Array.from({ length: found.length }).some(isBare), 'a bare control character');
    return JSON.parse(found) as string;
  };
  const value = (): Json => {
    skip();
    const first = text[at];
    if (first === '{') return object();
    if (first === '[') return list();
    if (first === '"') return string();
    const number = take(/-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y);
    if (number !== undefined) return { text: number };
    const word = take(/true|false|null/y);
    mustHold(word !== undefined, `no value at ${at}`);
    return word === 'null' ? null : word === 'true';
  };
  const members = (close: string, member: () => void) => {
    at++;
    skip();
    if (text[at] === close) {
      at++;
      return;
    }
    for (;;) {
      member();
      skip();
      const next = text[at++];
      if (next === close) return;
      mustHold(next === ',', `no comma at ${at - 1}`);
    }
  };
  const list = (): Json => {
    const found: Json[] = [];
    members(']', () => found.push(value()));
    return found;
  };
  const object = (): Json => {
    const found = new Map<string, Json>();
    members('}', () => {
      skip();
      const key = string();
      const others = [...found.keys()].map((other) => other.toLowerCase());
      mustHold(!others.includes(key.toLowerCase()), `the key ${key} is there twice`);
      skip();
      mustHold(text[at++] === ':', `no colon at ${at - 1}`);
      found.set(key, value());
    });
    return found;
  };
  const document = value();
  skip();
  mustHold(at === text.length, `${text.length - at} characters follow the document`);
  return document;
}

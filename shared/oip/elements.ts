// Between the elements of a tensor on the wire and the typed arrays that hold them.
import { GuardError } from '../errors.ts';
import {
  type Datatype,
  elementArrays,
  elementCount,
  type NamedTensor,
  type TensorData,
} from '../maths/tensor.ts';

/** Whether a wire name is a datatype of fixed element size that is understood here. */
export function isDatatype(name: string): name is Datatype {
  return Object.hasOwn(elementArrays, name);
}

/**
 * Reads tensor elements out of JSON, flat or nested, row-major.
 * @param value the `data` member
 * @param where pointer for the error, such as `/inputs/0/data`
 * @throws GuardError `invalid_input` where an element is no number, out of the datatype's range or their count is wrong
 */
export function elementsFromJson(
  value: unknown,
  { datatype, shape }: { datatype: Datatype; shape: readonly number[] },
  where: string,
): TensorData {
  const count = elementCount(shape);
  const elements = new elementArrays[datatype](count);
  const written = writeElements(value, elements, { position: 0, datatype, where });
  if (written !== count) throw wrongCount(where, written, shape);
  return elements;
}

/** Elements as JSON can hold them: 64-bit integers become numbers where they are safe. */
export function elementsToJson({ data, datatype }: NamedTensor): (number | boolean)[] {
  if (datatype === 'BOOL') return Array.from(data as Uint8Array, (byte) => byte !== 0);
  return Array.from(data as ArrayLike<number | bigint>, Number);
}

/**
 * Reads tensor elements out of raw little-endian bytes.
 * @throws GuardError `invalid_input` where the bytes are not exactly the shape's
 */
export function elementsFromBytes(
  bytes: Uint8Array,
  { datatype, shape }: { datatype: Datatype; shape: readonly number[] },
  where: string,
): TensorData {
  const type = elementArrays[datatype];
  const expected = elementCount(shape) * type.BYTES_PER_ELEMENT;
  if (bytes.length !== expected) {
    const detail = `${bytes.length} bytes, but the shape [${shape.join(', ')}] of ${datatype} has ${expected}`;
    throw new GuardError('invalid_input', `${where}: ${detail}`, { places: [{ pointer: where, detail }] });
  }
  // Copied: the view on the wire need not be aligned to the element. Not by `slice`, which gives a view where the bytes
  // are a Buffer of Node.
  return new type(new Uint8Array(bytes).buffer);
}

/** Raw little-endian bytes of a tensor, not copied. */
export function elementsToBytes({ data }: { readonly data: TensorData }): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function writeElements(
  value: unknown,
  into: TensorData,
  { position, datatype, where }: { position: number; datatype: Datatype; where: string },
): number {
  if (!Array.isArray(value)) throw invalidElement(where, 'data must be an array of numbers');
  let next = position;
  for (const element of value) {
    if (typeof element === 'number') {
      if (next >= into.length) return next + 1;
      writeNumber(into, next, element, { datatype, where });
      next++;
    } else if (typeof element === 'boolean' && datatype === 'BOOL') {
      if (next >= into.length) return next + 1;
      into[next++] = element ? 1 : 0;
    } else if (Array.isArray(element)) {
      next = writeElements(element, into, { position: next, datatype, where });
      if (next > into.length) return next;
    } else {
      throw invalidElement(where, `element ${next} is ${element === null ? 'null' : `a ${typeof element}`}`);
    }
  }
  return next;
}

function writeNumber(
  into: TensorData,
  index: number,
  value: number,
  { datatype, where }: { datatype: Datatype; where: string },
): void {
  if (datatype === 'FP32' || datatype === 'FP64') {
    into[index] = value;
    if (!Number.isFinite(into[index] as number))
      throw invalidElement(where, `element ${index} does not fit ${datatype}`);
    return;
  }
  if (datatype === 'BOOL' || !Number.isSafeInteger(value)) {
    throw invalidElement(where, `element ${index} (${value}) is no ${datatype}`);
  }
  if (into instanceof BigInt64Array || into instanceof BigUint64Array) into[index] = BigInt(value);
  else into[index] = value;
  if (Number(into[index]) !== value)
    throw invalidElement(where, `element ${index} (${value}) does not fit ${datatype}`);
}

function invalidElement(where: string, detail: string): GuardError {
  return new GuardError('invalid_input', `${where}: ${detail}`, { places: [{ pointer: where, detail }] });
}

function wrongCount(where: string, written: number, shape: readonly number[]): GuardError {
  const expected = elementCount(shape);
  const found = written > expected ? 'more' : String(written);
  return invalidElement(where, `the shape [${shape.join(', ')}] has ${expected} elements, data has ${found}`);
}

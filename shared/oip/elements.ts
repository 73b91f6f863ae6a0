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
 * Reads tensor elements out of JSON, flat or nested exactly as the shape, row-major.
 * @param value the `data` member
 * @param where pointer for the error, such as `/inputs/0/data`
 * @throws GuardError `invalid_input` where an element is no number, out of the datatype's range or they are nested otherwise
 */
export function elementsFromJson(
  value: unknown,
  { datatype, shape }: { datatype: Datatype; shape: readonly number[] },
  where: string,
): TensorData {
  const runs = runsOf(value, shape, where);
  // Only now is it known that the data holds as many elements as the shape claims, so that room may be made for them.
  const elements = new elementArrays[datatype](elementCount(shape));
  let index = 0;
  for (const run of runs) {
    for (const element of run) writeElement(elements, index++, element, { datatype, where });
  }
  return elements;
}

/** Elements as JSON can hold them: 64-bit integers become numbers where they are safe. */
export function elementsToJson({ data, datatype }: NamedTensor): (number | boolean)[] {
  if (datatype === 'BOOL') return Array.from(data as Uint8Array, (byte) => byte !== 0);
  return Array.from(data as ArrayLike<number | bigint>, Number);
}

/**
 * Reads tensor elements out of raw little-endian bytes.
 * @throws GuardError `invalid_input` where the bytes are not exactly the shape's, or a BOOL is neither 0 nor 1
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
  const elements = new type(new Uint8Array(bytes).buffer);
  if (datatype === 'BOOL') {
    // Which other bytes are true differs between readers.
    const wrong = (elements as Uint8Array).findIndex((byte) => byte > 1);
    if (wrong >= 0) throw invalidElement(where, `element ${wrong} (${elements[wrong]}) is no BOOL`);
  }
  return elements;
}

/** Raw little-endian bytes of a tensor, not copied. */
export function elementsToBytes({ data }: { readonly data: TensorData }): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** The arrays of the last dimension in their order, or the one array of flat data; together they hold what the shape says. */
function runsOf(value: unknown, shape: readonly number[], where: string): readonly (readonly unknown[])[] {
  if (!Array.isArray(value)) throw invalidElement(where, 'data must be an array of numbers');
  if (!Array.isArray(value[0])) {
    if (value.length !== elementCount(shape)) throw wrongCount(where, value.length, shape);
    return [value];
  }
  let arrays: unknown[] = [value];
  for (const [dimension, extent] of shape.entries()) {
    if (!arrays.every((array) => Array.isArray(array) && array.length === extent)) break;
    if (dimension === shape.length - 1) return arrays as unknown[][];
    arrays = arrays.flat();
  }
  throw invalidElement(where, `data is neither flat nor nested as the shape [${shape.join(', ')}]`);
}

function writeElement(
  into: TensorData,
  index: number,
  element: unknown,
  { datatype, where }: { datatype: Datatype; where: string },
): void {
  if (typeof element === 'number') writeNumber(into, index, element, { datatype, where });
  else if (typeof element === 'boolean' && datatype === 'BOOL') into[index] = element ? 1 : 0;
  else throw invalidElement(where, `element ${index} is ${kindOf(element)}`);
}

function kindOf(element: unknown): string {
  if (element === null) return 'null';
  return Array.isArray(element) ? 'an array' : `a ${typeof element}`;
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

function wrongCount(where: string, found: number, shape: readonly number[]): GuardError {
  const expected = elementCount(shape);
  return invalidElement(where, `the shape [${shape.join(', ')}] has ${expected} elements, data has ${found}`);
}

// Tensors of the datatype BYTES: elements of any length, such as whole image files, each behind its length.
import { GuardError } from '../errors.ts';

/** A tensor whose elements are byte strings, as the wire has them: see `packByteElements`. */
export interface ByteTensor {
  readonly name: string;
  readonly datatype: 'BYTES';
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** Bytes that an element's length takes. */
const lengthBytes = 4;

/**
 * Puts elements behind each other, each after its length as a little-endian uint32.
 * @see Open Inference Protocol, "Binary tensor data extension"
 */
export function packByteElements(elements: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const packed = new Uint8Array(elements.reduce((sum, { length }) => sum + lengthBytes + length, 0));
  const view = new DataView(packed.buffer);
  let offset = 0;
  for (const element of elements) {
    view.setUint32(offset, element.length, true);
    packed.set(element, offset + lengthBytes);
    offset += lengthBytes + element.length;
  }
  return packed;
}

/**
 * The reverse of `packByteElements`.
 * @param count elements that the shape says
 * @param where pointer for the error, such as `/inputs/0`
 * @returns views of the data
 * @throws GuardError `invalid_input` where the data does not hold exactly that many elements
 */
export function unpackByteElements(data: Uint8Array, count: number, where: string): Uint8Array[] {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const elements: Uint8Array[] = [];
  let offset = 0;
  while (elements.length < count && offset + lengthBytes <= data.length) {
    const start = offset + lengthBytes;
    const end = start + view.getUint32(offset, true);
    if (end > data.length) break;
    elements.push(data.subarray(start, end));
    offset = end;
  }
  if (elements.length === count && offset === data.length) return elements;
  const end =
    elements.length === count ? `they end at byte ${offset}` : `element ${elements.length} is cut short`;
  const detail = `${data.length} bytes do not hold ${count} elements, each behind its length: ${end}`;
  throw new GuardError('invalid_input', `${where}: ${detail}`, { places: [{ pointer: where, detail }] });
}

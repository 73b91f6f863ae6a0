// NumPy's array file, read and written: one header line, then the elements.
import { GuardError } from '../../shared/errors.ts';
import { tensorRankMax } from '../../shared/limits.ts';
import { elementArrays, elementCount, type Tensor, type TensorData } from '../../shared/maths/tensor.ts';

/** Largest header that is read, in characters: NumPy's own `max_header_size`. */
const headerCharactersMax = 10_000;
/** Bytes that the elements of one array may take: 50,000 CIFAR-10 images as float32 take 0.6 GB. */
const elementBytesMax = 1024 * 1024 * 1024;
/** NumPy aligns the elements to this many bytes. */
const alignment = 64;
const magic = Uint8Array.of(0x93, ...new TextEncoder().encode('NUMPY'));

/** Element types by NumPy's description of them, all little-endian. */
const datatypes = {
  '|b1': 'BOOL',
  '|u1': 'UINT8',
  '<i4': 'INT32',
  '<i8': 'INT64',
  '<f4': 'FP32',
  '<f8': 'FP64',
} as const;

type Description = keyof typeof datatypes;

interface Header {
  readonly description: string;
  readonly fortranOrder: boolean;
  readonly shape: readonly number[];
}

/**
 * Parses a `.npy` file.
 * @param bytes the whole file
 * @param name what to call it in errors
 * @returns the array, row-major whatever order the file has; a copy of the bytes
 * @throws GuardError `invalid_dataset` where it is no such file, is cut short or longer than its header says, or holds
 *   another type than bool, uint8, int32, int64, float32 or float64, little-endian
 * @see NumPy, "numpy.lib.format", versions 1.0 to 3.0
 */
export function parseNpy(bytes: Uint8Array, name: string): Tensor {
  const { header, start } = readHeader(bytes, name);
  const { description, fortranOrder, shape } = header;
  if (!(description in datatypes)) {
    const known = Object.keys(datatypes).join(', ');
    throw invalid(`${name} holds elements of type ${description}; ${known} are read`);
  }
  const datatype = datatypes[description as Description];
  const arrays = elementArrays[datatype];
  const expected = elementCount(shape) * arrays.BYTES_PER_ELEMENT;
  if (!(expected <= elementBytesMax)) {
    throw invalid(`${name} says shape ${said(shape)}, more than ${elementBytesMax} bytes`);
  }
  const held = bytes.length - start;
  if (held !== expected) {
    throw invalid(`${name} holds ${held} bytes, its shape ${said(shape)} of ${description} says ${expected}`);
  }
  // Copied, since the elements may start at any offset and a typed array needs an aligned one.
  const data = new arrays(new Uint8Array(bytes.subarray(start)).buffer);
  if (datatype === 'BOOL' && (data as Uint8Array).some((value) => value > 1)) {
    throw invalid(`${name} holds a bool that is neither 0 nor 1`);
  }
  return { datatype, shape, data: fortranOrder ? toRowMajor(data, shape) : data };
}

/**
 * Writes a `.npy` file, version 1.0.
 * @param tensor of a type that `parseNpy` reads
 * @throws GuardError `invalid_dataset` where it is of another type
 * @see NumPy, "numpy.lib.format"
 */
export function writeNpy({ datatype, shape, data }: Tensor): Uint8Array<ArrayBuffer> {
  const description = Object.entries(datatypes).find(([, known]) => known === datatype)?.[0];
  if (description === undefined) throw invalid(`an array of ${datatype} cannot be written as .npy`);
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const text = `{'descr': '${description}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const before = magic.length + 4;
  const start = Math.ceil((before + text.length + 1) / alignment) * alignment;
  const bytes = new Uint8Array(start + data.byteLength).fill(0x20, before, start);
  bytes.set(magic);
  bytes.set([1, 0], magic.length);
  new DataView(bytes.buffer).setUint16(magic.length + 2, start - before, true);
  bytes.set(new TextEncoder().encode(text), before);
  bytes[start - 1] = 0x0a;
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), start);
  return bytes;
}

function readHeader(bytes: Uint8Array, name: string): { header: Header; start: number } {
  if (magic.some((byte, index) => bytes[index] !== byte)) throw invalid(`${name} is no .npy file`);
  const major = bytes[magic.length];
  if (!(major >= 1 && major <= 3)) throw invalid(`${name} has version ${major} of the .npy format`);
  const lengthAt = magic.length + 2;
  const textAt = lengthAt + (major === 1 ? 2 : 4);
  if (bytes.length < textAt) throw invalid(`${name} ends in its header`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = major === 1 ? view.getUint16(lengthAt, true) : view.getUint32(lengthAt, true);
  if (length > headerCharactersMax) throw invalid(`${name} has a header of ${length} characters`);
  const start = textAt + length;
  if (bytes.length < start) throw invalid(`${name} ends in its header`);
  return { header: parseHeader(new TextDecoder().decode(bytes.subarray(textAt, start)), name), start };
}

/** The header is a Python dictionary of three known keys, in any order. */
function parseHeader(text: string, name: string): Header {
  const unreadable = () => invalid(`${name} has a header that cannot be read: ${text.trim().slice(0, 200)}`);
  const body = /^\{(.*)\}\s*$/s.exec(text)?.[1];
  if (body === undefined) throw unreadable();
  // A description that is a list is that of a record type, which no model reads.
  const entry =
    /\s*'(descr|fortran_order|shape)'\s*:\s*('[^']*'|True|False|\([\d\s,]*\)|\[[^\]]*\])\s*(?:,\s*|$)/y;
  const found = new Map<string, string>();
  while (entry.lastIndex < body.length) {
    const match = entry.exec(body);
    if (match === null || found.has(match[1])) throw unreadable();
    found.set(match[1], match[2]);
  }
  const [description, order, tuple] = ['descr', 'fortran_order', 'shape'].map((key) => found.get(key));
  if (description === undefined || !(order === 'True' || order === 'False') || !tuple?.startsWith('(')) {
    throw unreadable();
  }
  const shape = (tuple.match(/\d+/g) ?? []).map(Number);
  if (shape.length > tensorRankMax) throw invalid(`${name} has ${shape.length} dimensions`);
  return { description: description.replace(/^'|'$/g, ''), fortranOrder: order === 'True', shape };
}

/** Elements whose first axis moves fastest, put into the order whose last axis does. */
function toRowMajor(data: TensorData, shape: readonly number[]): TensorData {
  const ordered = data.slice();
  const counters = shape.map(() => 0);
  // Steps in the file of one step along each axis.
  const strides = shape.map((_, axis) => elementCount(shape.slice(0, axis)));
  let source = 0;
  for (let index = 0; index < data.length; index++) {
    ordered[index] = data[source];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      source += strides[axis];
      if (++counters[axis] < shape[axis]) break;
      source -= strides[axis] * shape[axis];
      counters[axis] = 0;
    }
  }
  return ordered;
}

function said(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}

function invalid(detail: string): GuardError {
  return new GuardError('invalid_dataset', detail);
}

// The header of NumPy's array files: read here for those that are held whole and for those that are read as a stream.
import { tensorRankMax } from '../limits.ts';
import type { Datatype } from '../maths/tensor.ts';
import type { ByteReader } from './byte-reader.ts';
import { invalidUpload } from './upload.ts';

/** Largest header that is read, in characters: NumPy's own `max_header_size`. */
const headerCharactersMax = 10_000;
/** First bytes of every `.npy` file. */
export const npyMagic = Uint8Array.of(0x93, ...new TextEncoder().encode('NUMPY'));

/** Element types by NumPy's description of them, all little-endian. */
export const npyDatatypes = {
  '|b1': 'BOOL',
  '|u1': 'UINT8',
  '|i1': 'INT8',
  '<u2': 'UINT16',
  '<i2': 'INT16',
  '<u4': 'UINT32',
  '<i4': 'INT32',
  '<u8': 'UINT64',
  '<i8': 'INT64',
  '<f4': 'FP32',
  '<f8': 'FP64',
} as const satisfies Readonly<Record<string, Datatype>>;

/** What a header says. */
export interface NpyHeader {
  readonly datatype: Datatype;
  /** Whether the first axis moves fastest. */
  readonly fortranOrder: boolean;
  readonly shape: readonly number[];
}

/** Bytes that tell how long a header is: magic, version and, up to here, the length in its longer form. */
const preludeBytes = npyMagic.length + 6;

/**
 * Reads the header in front of a stream, which then stands at the first element.
 * @returns the header and how many bytes it took
 * @throws GuardError `invalid_dataset` as `parseNpyHeader` does
 */
export async function readNpyHeader(
  reader: ByteReader,
  name: string,
): Promise<{ readonly header: NpyHeader; readonly start: number }> {
  // Any header with its padding is longer than this, so that nothing of the elements is taken.
  const prelude = new Uint8Array(preludeBytes);
  const held = await reader.fill(prelude);
  const start = headerEnd(prelude.subarray(0, held), name);
  const bytes = new Uint8Array(Math.max(start, preludeBytes));
  bytes.set(prelude);
  const filled = await reader.fill(bytes.subarray(preludeBytes));
  return parseNpyHeader(bytes.subarray(0, preludeBytes + filled), name);
}

/**
 * Parses the header at the start of a `.npy` file.
 * @param bytes the file, or as much of it as has the header
 * @param name what to call it in errors
 * @returns the header and where the elements start
 * @throws GuardError `invalid_dataset` where it is no such file, ends in its header or holds elements of another type
 * @see NumPy, "numpy.lib.format", versions 1.0 to 3.0
 */
export function parseNpyHeader(
  bytes: Uint8Array,
  name: string,
): { readonly header: NpyHeader; readonly start: number } {
  const start = headerEnd(bytes, name);
  if (bytes.length < start) throw invalidUpload(`${name} ends in its header`);
  const textAt = npyMagic.length + (bytes[npyMagic.length] === 1 ? 4 : 6);
  return { header: parseText(new TextDecoder().decode(bytes.subarray(textAt, start)), name), start };
}

/** Where the header ends that begins here. */
function headerEnd(bytes: Uint8Array, name: string): number {
  if (npyMagic.some((byte, index) => bytes[index] !== byte)) throw invalidUpload(`${name} is no .npy file`);
  if (bytes.length < preludeBytes) throw invalidUpload(`${name} ends in its header`);
  const major = bytes[npyMagic.length];
  if (!(major >= 1 && major <= 3)) throw invalidUpload(`${name} has version ${major} of the .npy format`);
  const lengthAt = npyMagic.length + 2;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = major === 1 ? view.getUint16(lengthAt, true) : view.getUint32(lengthAt, true);
  if (length > headerCharactersMax) throw invalidUpload(`${name} has a header of ${length} characters`);
  return lengthAt + (major === 1 ? 2 : 4) + length;
}

/** The header is a Python dictionary of three known keys, in any order. */
function parseText(text: string, name: string): NpyHeader {
  const unreadable = () =>
    invalidUpload(`${name} has a header that cannot be read: ${text.trim().slice(0, 200)}`);
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
  const [described, order, tuple] = ['descr', 'fortran_order', 'shape'].map((key) => found.get(key));
  if (described === undefined || !(order === 'True' || order === 'False') || !tuple?.startsWith('(')) {
    throw unreadable();
  }
  const shape = (tuple.match(/\d+/g) ?? []).map(Number);
  if (shape.length > tensorRankMax) throw invalidUpload(`${name} has ${shape.length} dimensions`);
  const description = described.replace(/^'|'$/g, '');
  if (!Object.hasOwn(npyDatatypes, description)) {
    const known = Object.keys(npyDatatypes).join(', ');
    throw invalidUpload(`${name} holds elements of type ${description}; ${known} are read`);
  }
  const datatype = npyDatatypes[description as keyof typeof npyDatatypes];
  return { datatype, fortranOrder: order === 'True', shape };
}

// NumPy's array file, read and written: one header line, then the elements.
import { GuardError } from '../../shared/errors.ts';
import { elementArrays, elementCount, type Tensor, type TensorData } from '../../shared/maths/tensor.ts';
import { npyDatatypes, npyMagic, parseNpyHeader } from '../../shared/uploads/npy-header.ts';

/** Bytes that the elements of one array may take: 50,000 CIFAR-10 images as float32 take 0.6 GB. */
const elementBytesMax = 1024 * 1024 * 1024;
/** NumPy aligns the elements to this many bytes. */
const alignment = 64;
/**
 * Parses a `.npy` file.
 * @param bytes the whole file
 * @param name what to call it in errors
 * @returns the array, row-major whatever order the file has; a copy of the bytes
 * @throws GuardError `invalid_dataset` where it is no such file, is cut short or longer than its header says, or holds
 *   another type than those of `npyDatatypes`
 * @see NumPy, "numpy.lib.format", versions 1.0 to 3.0
 */
export function parseNpy(bytes: Uint8Array, name: string): Tensor {
  const { header, start } = parseNpyHeader(bytes, name);
  const { datatype, fortranOrder, shape } = header;
  const arrays = elementArrays[datatype];
  const expected = elementCount(shape) * arrays.BYTES_PER_ELEMENT;
  if (!(expected <= elementBytesMax)) {
    throw invalid(`${name} says shape ${said(shape)}, more than ${elementBytesMax} bytes`);
  }
  const held = bytes.length - start;
  if (held !== expected) {
    throw invalid(`${name} holds ${held} bytes, its shape ${said(shape)} of ${datatype} says ${expected}`);
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
 * @see NumPy, "numpy.lib.format"
 */
export function writeNpy({ datatype, shape, data }: Tensor): Uint8Array<ArrayBuffer> {
  const [description] = Object.entries(npyDatatypes).find(([, known]) => known === datatype)!;
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const text = `{'descr': '${description}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const before = npyMagic.length + 4;
  const start = Math.ceil((before + text.length + 1) / alignment) * alignment;
  const bytes = new Uint8Array(start + data.byteLength).fill(0x20, before, start);
  bytes.set(npyMagic);
  bytes.set([1, 0], npyMagic.length);
  new DataView(bytes.buffer).setUint16(npyMagic.length + 2, start - before, true);
  bytes.set(new TextEncoder().encode(text), before);
  bytes[start - 1] = 0x0a;
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), start);
  return bytes;
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

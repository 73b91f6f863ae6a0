// Reads the IDX format of MNIST, plain or gzipped.
import { readFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import { GuardError } from '../../shared/errors.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import type { Dataset } from './dataset.ts';

/** Bytes that one IDX file may unpack to: eight times the largest file of MNIST. */
const unpackedBytesMax = 512 * 1024 * 1024;
/** The only element type that images and labels use here: unsigned byte. */
const unsignedByte = 0x08;

/** An IDX file: unsigned bytes, row-major. */
export interface IdxArray {
  readonly shape: readonly number[];
  readonly values: Uint8Array;
}

/**
 * Parses one IDX file.
 * @param bytes the file, gzipped or not
 * @param name what to call it in errors
 * @throws GuardError `invalid_dataset` where it is no IDX file of unsigned bytes or is cut short
 * @see LeCun, Cortes, Burges: The MNIST database, "File formats"
 */
export function parseIdx(bytes: Uint8Array, name: string): IdxArray {
  const file = unpack(bytes, name);
  if (file.length < 4 || file[0] !== 0 || file[1] !== 0)
    throw new GuardError('invalid_dataset', `${name} is no IDX file`);
  if (file[2] !== unsignedByte) {
    throw new GuardError(
      'invalid_dataset',
      `${name} holds elements of type 0x${file[2].toString(16)}, not unsigned bytes`,
    );
  }
  const rank = file[3];
  const start = 4 + 4 * rank;
  if (rank === 0 || file.length < start)
    throw new GuardError('invalid_dataset', `${name} ends in its header`);
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  const values = file.subarray(start);
  if (values.length !== elementCount(shape)) {
    const detail = `${name} has ${values.length} elements, its header says ${shape.join(' x ')}`;
    throw new GuardError('invalid_dataset', detail);
  }
  return { shape, values };
}

/**
 * Loads a folder with `PREFIX-images-idx3-ubyte[.gz]` and `PREFIX-labels-idx1-ubyte[.gz]`.
 * @param prefix `train`, `test` or `t10k`
 * @returns inputs [count, 1, rows, columns] in [0, 1], and labels
 * @throws GuardError `invalid_dataset`
 */
export async function loadIdxFolder(folder: string, prefix: string): Promise<Dataset> {
  const images = parseIdx(...(await readEither(`${folder}/${prefix}-images-idx3-ubyte`)));
  const labels = parseIdx(...(await readEither(`${folder}/${prefix}-labels-idx1-ubyte`)));
  if (images.shape.length !== 3 || labels.shape.length !== 1 || images.shape[0] !== labels.shape[0]) {
    const detail = `${folder}: images [${images.shape}] and labels [${labels.shape}] do not belong together`;
    throw new GuardError('invalid_dataset', detail);
  }
  return {
    name: `${folder.split('/').filter(Boolean).at(-1) ?? folder}/${prefix}`,
    inputs: Float32Array.from(images.values, (byte) => byte / 255),
    inputShape: [1, ...images.shape.slice(1)],
    labels: Int32Array.from(labels.values),
  };
}

async function readEither(path: string): Promise<[Uint8Array, string]> {
  for (const candidate of [`${path}.gz`, path]) {
    try {
      return [await readFile(candidate), candidate];
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
    }
  }
  throw new GuardError('invalid_dataset', `there is neither ${path} nor ${path}.gz`);
}

function unpack(bytes: Uint8Array, name: string): Uint8Array {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return gunzipSync(bytes, { maxOutputLength: unpackedBytesMax });
  } catch (cause) {
    throw new GuardError(
      'invalid_dataset',
      `${name} is a damaged gzip file or unpacks to over ${unpackedBytesMax} bytes`,
      { cause },
    );
  }
}

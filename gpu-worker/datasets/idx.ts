// Reads the IDX format of MNIST, plain or gzipped.
import { GuardError } from '../../shared/errors.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import type { Dataset } from './dataset.ts';
import { gunzipped, readGzippedOrPlain } from './gzipped-file.ts';

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
  const file = gunzipped(bytes, name);
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
  const images = parseIdx(...(await requireFile(`${folder}/${prefix}-images-idx3-ubyte`)));
  const labels = parseIdx(...(await requireFile(`${folder}/${prefix}-labels-idx1-ubyte`)));
  if (images.shape.length !== 3 || labels.shape.length !== 1 || images.shape[0] !== labels.shape[0]) {
    const detail = `${folder}: images [${images.shape.join(', ')}] and labels [${labels.shape.join(', ')}] do not belong together`;
    throw new GuardError('invalid_dataset', detail);
  }
  return {
    name: `${folder.split('/').filter(Boolean).at(-1) ?? folder}/${prefix}`,
    inputs: Float32Array.from(images.values, (byte) => byte / 255),
    inputShape: [1, ...images.shape.slice(1)],
    labels: Int32Array.from(labels.values),
    datatype: 'UINT8',
  };
}

async function requireFile(path: string): Promise<[Uint8Array, string]> {
  const file = await readGzippedOrPlain(path);
  if (file === undefined) throw new GuardError('invalid_dataset', `there is neither ${path} nor ${path}.gz`);
  return [file.bytes, file.path];
}

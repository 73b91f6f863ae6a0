// CIFAR-10's binary version: one label and 3 x 32 x 32 bytes a record, plain or gzipped.
import { GuardError } from '../../shared/errors.ts';
import type { Dataset } from './dataset.ts';
import { gunzipped, readGzippedOrPlain } from './gzipped-file.ts';

const imageShape = [3, 32, 32];
const imageBytes = 3072;
const recordBytes = 1 + imageBytes;
const classes = 10;

/** Files of each split, without their ending; a folder may lack some of the training batches. */
const splits = {
  train: [1, 2, 3, 4, 5].map((batch) => `data_batch_${batch}`),
  test: ['test_batch'],
} as const;

/** Whether a word names a split of CIFAR-10. */
export function isCifarSplit(word: string): word is keyof typeof splits {
  return word in splits;
}

/**
 * Parses one file.
 * @param bytes the file, gzipped or not
 * @param name what to call it in errors
 * @returns images [count, 3, 32, 32] in [0, 1], red, green and blue, and labels
 * @throws GuardError `invalid_dataset` where it is empty, ends within a record or has a label over 9
 * @see Krizhevsky, "The CIFAR-10 dataset", "Binary version"
 */
export function parseCifar(bytes: Uint8Array, name: string): Pick<Dataset, 'inputs' | 'labels'> {
  const file = gunzipped(bytes, name);
  const count = file.length / recordBytes;
  if (count === 0 || !Number.isInteger(count)) {
    const detail = `${name} has ${file.length} bytes, not a whole number of records of ${recordBytes}`;
    throw new GuardError('invalid_dataset', detail);
  }
  const inputs = new Float32Array(count * imageBytes);
  const labels = new Int32Array(count);
  for (let record = 0; record < count; record++) {
    const start = record * recordBytes;
    labels[record] = file[start];
    if (labels[record] >= classes) {
      const detail = `${name} has label ${labels[record]} in record ${record}; CIFAR-10 has ${classes} classes`;
      throw new GuardError('invalid_dataset', detail);
    }
    for (let byte = 0; byte < imageBytes; byte++) {
      inputs[record * imageBytes + byte] = file[start + 1 + byte] / 255;
    }
  }
  return { inputs, labels };
}

/**
 * Loads the split `train` (`data_batch_1` to `data_batch_5`, those that are there) or `test` (`test_batch`) of a folder.
 * @returns inputs [count, 3, 32, 32] in [0, 1], and labels
 * @throws GuardError `invalid_dataset`
 */
export async function loadCifarFolder(folder: string, split: keyof typeof splits): Promise<Dataset> {
  const parts: Pick<Dataset, 'inputs' | 'labels'>[] = [];
  for (const batch of splits[split]) {
    const file = await readGzippedOrPlain(`${folder}/${batch}.bin`);
    if (file !== undefined) parts.push(parseCifar(file.bytes, file.path));
  }
  if (parts.length === 0) {
    const files = `${splits[split].map((batch) => `${batch}.bin`).join(', ')}`;
    throw new GuardError('invalid_dataset', `${folder} has none of ${files}, plain or with .gz`);
  }
  const count = parts.reduce((sum, { labels }) => sum + labels.length, 0);
  const inputs = new Float32Array(count * imageBytes);
  const labels = new Int32Array(count);
  let row = 0;
  for (const part of parts) {
    inputs.set(part.inputs, row * imageBytes);
    labels.set(part.labels, row);
    row += part.labels.length;
  }
  const name = `${folder.split('/').filter(Boolean).at(-1) ?? folder}/${split}`;
  return { name, inputs, inputShape: imageShape, labels, datatype: 'UINT8' };
}

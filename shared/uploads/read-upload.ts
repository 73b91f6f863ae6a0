// Reads an upload of any format batch by batch.

import { assert } from '../assert.ts';
import type { UploadFormat } from '../contracts/screening-job.ts';
import { readCifarBinary } from './cifar-binary.ts';
import { readIdx } from './idx.ts';
import { readNpz } from './npz.ts';
import { readTar } from './tar.ts';
import {
  defaultUploadLimits,
  type ExampleBatch,
  invalidUpload,
  type UploadFile,
  type UploadLimits,
  type UploadOptions,
  type UploadSummary,
} from './upload.ts';

type UploadReader = (
  files: readonly UploadFile[],
  options: UploadOptions,
  limits: UploadLimits,
) => AsyncGenerator<ExampleBatch, UploadSummary, void>;

const readers: Readonly<Record<UploadFormat, UploadReader>> = {
  npz: readNpz,
  tar: readTar,
  idx: readIdx,
  'cifar-binary': readCifarBinary,
};

/**
 * Reads examples in the upload's order; the same files and options give the same batches, however their streams are cut.
 * Memory is bounded by a few batches and one number an example.
 * @returns what the whole upload was, as the generator's own return value
 * @throws GuardError `invalid_dataset` or `body_too_large`, naming the place; what was yielded before is then no upload
 */
export async function* readUpload(
  files: readonly UploadFile[],
  options: UploadOptions,
  limits: UploadLimits = defaultUploadLimits,
): AsyncGenerator<ExampleBatch, UploadSummary, void> {
  assert(Number.isInteger(options.batch) && options.batch > 0, `batch of ${options.batch}`);
  if (files.length === 0) throw invalidUpload('the upload has no files');
  const { firstRow = 0, format } = options;
  const batches = readers[format](files, options, limits);
  try {
    for (;;) {
      const { done, value } = await batches.next();
      if (done) return value;
      if (value.firstRow >= firstRow) yield value;
    }
  } finally {
    await batches.return(undefined as never);
  }
}

// Tells what an upload is from its headers, to estimate the work before it is read.

import type { UploadFormat } from '../contracts/screening-job.ts';
import type { ByteSource } from './byte-source.ts';
import { checkExamples, checkShape, onlyFile } from './check-upload.ts';
import { cifarRecordBytes, cifarShape } from './cifar-binary.ts';
import { openIdx } from './idx.ts';
import { isGzipped } from './inflate.ts';
import { openNpz } from './npz.ts';
import { tarExamples } from './tar.ts';
import {
  defaultUploadLimits,
  type ImageShape,
  invalidUpload,
  type UploadDescription,
  type UploadFile,
  type UploadLimits,
  type UploadOptions,
} from './upload.ts';

/** Bytes that a compressed byte is taken to unpack to where nothing says: what photographs in binary files reach. */
const gzipRatio = 1.2;
/** Files of an archive that are looked at. */
const sampledExamples = 1_000;

type Description = Omit<UploadDescription, 'format' | 'bytes'>;
type Describe = (
  files: readonly UploadFile[],
  options: UploadOptions,
  limits: UploadLimits,
) => Promise<Description>;

const descriptions: Readonly<Record<UploadFormat, Describe>> = {
  tar: (files, options, limits) => describeTar(onlyFile(files), options, limits),
  npz: async (files, options, limits) => {
    const { images, datatype, layout } = await openNpz(onlyFile(files), options, limits);
    return { examples: images.header.shape[0], exact: true, shape: layout.shape, datatype };
  },
  idx: async (files, options, limits) => {
    const { examples, shape } = await openIdx(files, options, limits);
    return { examples, exact: true, shape, datatype: 'UINT8' };
  },
  'cifar-binary': async (files, options, limits) => {
    checkShape({ shape: cifarShape, datatype: 'UINT8' }, { name: files[0].name, options, limits });
    const packed = await Promise.all(files.map(({ source }) => isGzipped(source)));
    const bytes = files.reduce(
      (sum, { source }, file) => sum + source.size * (packed[file] ? gzipRatio : 1),
      0,
    );
    const classes = options.cifarClasses ?? 10;
    const examples = Math.ceil(bytes / cifarRecordBytes(options));
    return { examples, exact: !packed.includes(true), shape: cifarShape, datatype: 'UINT8', classes };
  },
};

/**
 * Reads the headers of an upload alone.
 * @param options those of the reading
 * @throws GuardError where the headers already show that it will be refused
 */
export async function describeUpload(
  files: readonly UploadFile[],
  options: UploadOptions,
  limits: UploadLimits = defaultUploadLimits,
): Promise<UploadDescription> {
  if (files.length === 0) throw invalidUpload('the upload has no files');
  const { format } = options;
  const bytes = files.reduce((sum, { source }) => sum + source.size, 0);
  return { format, bytes, ...(await descriptions[format](files, options, limits)) };
}

/** Reads the first files of an archive, and takes the others to be like them. */
async function describeTar(
  file: UploadFile,
  options: UploadOptions,
  limits: UploadLimits,
): Promise<Description> {
  let [taken, examples] = [0, 0];
  let shape: ImageShape | undefined;
  const counted: ByteSource = {
    ...file.source,
    read: (offset, length) => file.source.read(offset, length),
    stream: (offset) =>
      file.source.stream(offset).pipeThrough(
        new TransformStream<Uint8Array, Uint8Array>({
          transform(chunk, controller) {
            taken += chunk.length;
            controller.enqueue(chunk);
          },
        }),
      ),
  };
  let exact = true;
  const found = tarExamples({ ...file, source: counted }, { options, limits, isRepeated: () => false });
  for await (const example of found) {
    examples++;
    shape ??= example.shape;
    if (examples < sampledExamples) continue;
    exact = false;
    break;
  }
  checkExamples(examples, file.name, limits);
  // What the reader has taken beyond the last example is not told apart; it is little beside what was sampled.
  const estimated = exact ? examples : Math.round((examples * file.source.size) / taken);
  const common = { examples: Math.max(examples, estimated), exact };
  return shape === undefined ? { ...common, datatype: 'files' } : { ...common, shape, datatype: 'UINT8' };
}

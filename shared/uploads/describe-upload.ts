// Tells what an upload is from its headers, to estimate the work before it is read.
import type { UploadFormat } from '../contracts/screening-job.ts';
import { cifarRecordBytes, cifarShape } from './cifar-binary.ts';
import { openIdx } from './idx.ts';
import { isGzipped } from './inflate.ts';
import { onlyFile, openNpz } from './npz.ts';
import {
  defaultUploadLimits,
  invalidUpload,
  type UploadDescription,
  type UploadFile,
  type UploadLimits,
  type UploadOptions,
} from './upload.ts';

/** Bytes that a compressed byte is taken to unpack to where nothing says: what photographs in binary files reach. */
const gzipRatio = 1.2;

type Description = Omit<UploadDescription, 'format' | 'bytes'>;
type Describe = (
  files: readonly UploadFile[],
  options: UploadOptions,
  limits: UploadLimits,
) => Promise<Description>;

const descriptions: Readonly<Partial<Record<UploadFormat, Describe>>> = {
  npz: async (files, options, limits) => {
    const { images, datatype, layout } = await openNpz(onlyFile(files), options, limits);
    return { examples: images.header.shape[0], exact: true, shape: layout.shape, datatype };
  },
  idx: async (files, options, limits) => {
    const { examples, shape } = await openIdx(files, options, limits);
    return { examples, exact: true, shape, datatype: 'UINT8' };
  },
  'cifar-binary': async (files, options) => {
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
  const describe = descriptions[format];
  if (describe === undefined) throw invalidUpload(`an upload of the format ${format} cannot be read`);
  const bytes = files.reduce((sum, { source }) => sum + source.size, 0);
  return { format, bytes, ...(await describe(files, options, limits)) };
}

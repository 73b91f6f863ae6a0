// The end of an upload: its parts become objects, and the job runs.
import { filesOfFormat } from '../../shared/contracts/screening-job.ts';
import { GuardError } from '../../shared/errors.ts';
import { uploadBytesMax, uploadPartBytesMin } from '../../shared/limits.ts';
import { objectKeys } from './job-objects.ts';
import type { StoredJob } from './job-store.ts';
import type { ScreeningServices } from './screening-services.ts';
import { takeOver } from './take-over.ts';
import type { StoredPart } from './upload-store.ts';

/**
 * Completes the upload and lets the job run; once it was complete, again does nothing, however the job has fared since.
 * @throws GuardError `conflict` where a file or part is missing, or the job was cancelled; `body_too_large`
 */
export async function completeUpload(
  { id, state, request }: StoredJob,
  services: ScreeningServices,
): Promise<void> {
  const { jobs, objects, uploads } = services;
  if (state === 'cancelled') {
    throw new GuardError('conflict', 'the screening is cancelled: its upload is over');
  }
  if (state !== 'uploading') return;
  const known = await uploads.files(id);
  const files = await Promise.all(
    filesOfFormat[request.format].map(async (file) => {
      const uploadId = known.find((one) => one.file === file)?.uploadId;
      if (uploadId === undefined) throw new GuardError('conflict', `nothing of the file ${file} was sent`);
      const parts = await uploads.parts(id, file);
      requireWhole(parts, file);
      return { file, uploadId, parts };
    }),
  );
  const bytes = files.flatMap(({ parts }) => parts).reduce((sum, part) => sum + part.bytes, 0);
  if (bytes > uploadBytesMax) {
    throw new GuardError(
      'body_too_large',
      `an upload has at most ${uploadBytesMax} bytes, this one has ${bytes}`,
    );
  }
  for (const { file, uploadId, parts } of files) {
    const put = parts.map(({ part, etag }) => ({ partNumber: part, etag }));
    const key = objectKeys.upload(id, file);
    await objects.completeUpload(key, uploadId, put).catch((cause: unknown) => {
      throw new GuardError('conflict', `the parts of ${file} changed meanwhile: send them again`, { cause });
    });
  }
  await jobs.startRunning(id);
  await takeOver(id, services);
}

/** R2 takes parts of one size, but for the last, and of five MiB at least. */
function requireWhole(parts: readonly StoredPart[], file: string): void {
  if (parts.length === 0) throw new GuardError('conflict', `nothing of the file ${file} was sent`);
  const missing = parts.findIndex(({ part }, place) => part !== place + 1);
  if (missing >= 0) throw new GuardError('conflict', `part ${missing + 1} of ${file} is missing`);
  const odd = parts.slice(0, -1).find(({ bytes }) => bytes !== parts[0].bytes || bytes < uploadPartBytesMin);
  if (odd === undefined && parts[parts.length - 1].bytes <= parts[0].bytes) return;
  const detail = `all parts of ${file} but the last, which may be smaller, must be of one size, at least ${uploadPartBytesMin} bytes`;
  throw new GuardError('conflict', `${detail}; part ${(odd ?? parts[parts.length - 1]).part} is not`);
}

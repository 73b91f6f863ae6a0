// One part of an upload, streamed to R2 as it comes.
import {
  filesOfFormat,
  type UploadFormat,
  uploadedPartSchema,
} from '../../shared/contracts/screening-job.ts';
import { GuardError } from '../../shared/errors.ts';
import { uploadPartBytesMax, uploadPartsMax } from '../../shared/limits.ts';
import { objectKeys } from './job-objects.ts';
import type { StoredJob } from './job-store.ts';
import type { ScreeningServices } from './screening-services.ts';

/** A part as it comes. */
export interface ReceivedPart {
  /** As the path says it. */
  readonly part: string;
  readonly file: string | undefined;
  /** As the header says it; the runtime holds the sender to it. */
  readonly contentLength: string | undefined;
  readonly body: ReadableStream<Uint8Array> | null;
}

/**
 * Takes a part. Parts come in any order; one that comes again takes the place of the earlier.
 * @throws GuardError `malformed_request`, `body_too_large`, or `conflict` where the upload is over
 */
export async function receivePart(
  { id, state, request }: StoredJob,
  received: ReceivedPart,
  { objects, uploads }: Pick<ScreeningServices, 'objects' | 'uploads'>,
) {
  const { body } = received;
  const part = numberOf(received.part);
  const file = fileOf(received.file, request.format);
  const bytes = lengthOf(received.contentLength);
  if (state !== 'uploading')
    throw new GuardError('conflict', `the screening is ${state}: its upload is over`);
  if (body === null || bytes === 0) throw new GuardError('malformed_request', 'the part is empty');
  const key = objectKeys.upload(id, file);
  const uploadId = await ensureUpload(id, { file, key }, { objects, uploads });
  const etag = await objects.putPart(key, { uploadId, part }, body).catch((cause: unknown) => {
    throw new GuardError('malformed_request', 'the part broke off, or the upload was completed meanwhile', {
      cause,
    });
  });
  await uploads.putPart(id, file, { part, etag, bytes });
  return uploadedPartSchema.parse({ part, bytes });
}

async function ensureUpload(
  id: string,
  { file, key }: { file: string; key: string },
  { objects, uploads }: Pick<ScreeningServices, 'objects' | 'uploads'>,
): Promise<string> {
  const known = (await uploads.files(id)).find((one) => one.file === file);
  if (known !== undefined) return known.uploadId;
  const begun = await objects.beginUpload(key);
  const uploadId = await uploads.addFile(id, { file, uploadId: begun });
  // Another part of the file came at the same time and began one too.
  if (uploadId !== begun) await objects.abortUpload(key, begun);
  return uploadId;
}

function numberOf(text: string): number {
  const part = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (part >= 1 && part <= uploadPartsMax) return part;
  throw new GuardError('malformed_request', `parts are numbered from 1 to ${uploadPartsMax}`);
}

function fileOf(file: string | undefined, format: UploadFormat): string {
  const files = filesOfFormat[format];
  const named = file ?? (files.length === 1 ? files[0] : undefined);
  if (named !== undefined && files.includes(named)) return named;
  const detail = `an upload of the format ${format} has the files ${files.join(' and ')}: name one as ?file=`;
  throw new GuardError('malformed_request', detail);
}

function lengthOf(contentLength: string | undefined): number {
  if (contentLength === undefined || !/^\d{1,15}$/.test(contentLength)) {
    throw new GuardError('malformed_request', 'a part needs a content-length');
  }
  const bytes = Number(contentLength);
  if (bytes <= uploadPartBytesMax) return bytes;
  throw new GuardError('body_too_large', `a part has at most ${uploadPartBytesMax} bytes`);
}

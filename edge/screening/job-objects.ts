// The objects of a job in R2, all under its own prefix: the upload, shards, vectors, classes and the report.
import { GuardError } from '../../shared/errors.ts';
import type { ByteSource } from '../../shared/uploads/byte-source.ts';
import type { R2BucketBinding, R2Part } from '../bindings.ts';

/** Names of a job's objects. Numbers are padded, so that a listing is in their order. */
export const objectKeys = {
  all: (job: string) => `screenings/${job}/`,
  upload: (job: string, file: string) => `screenings/${job}/upload/${file}`,
  shard: (job: string, shard: number) => `screenings/${job}/shards/${padded(shard)}`,
  vectors: (job: string, shard: number) => `screenings/${job}/vectors/${padded(shard)}`,
  /** Vectors of the classes of a group of gathering, one class behind the other. */
  gathered: (job: string, group: number) => `screenings/${job}/gathered/${padded(group)}`,
  /** Sums of the covariance over the classes of the first so many groups. */
  pool: (job: string, group: number) => `screenings/${job}/pool/${padded(group)}`,
  whitening: (job: string) => `screenings/${job}/whitening`,
  /** Verdicts and pictures of the classes of a group of judging. */
  verdicts: (job: string, group: number) => `screenings/${job}/verdicts/${padded(group)}`,
  report: (job: string, kind: 'json' | 'csv' | 'html') => `screenings/${job}/report.${kind}`,
} as const;

/** Bytes that are read of an upload at once: the largest upload is then read with some thousand calls. */
const chunkBytes = 4 * 1024 * 1024;
/** Bytes that a stream reads first: often no more than a header is wanted. */
const firstChunkBytes = 64 * 1024;

/** Objects that one call of R2 lists or deletes. */
const pageObjects = 1_000;

/** A job's objects. */
export type JobObjects = ReturnType<typeof jobObjects>;

/** Makes them over a bucket. */
export function jobObjects(bucket: R2BucketBinding) {
  const get = async (key: string, range?: { offset: number; length: number }) => {
    const object = await bucket.get(key, range === undefined ? undefined : { range });
    if (object === null) throw new GuardError('internal', `the object ${key} is gone`);
    return object;
  };
  return {
    /** @throws GuardError `internal` where it is not there */
    async read(key: string, range?: { offset: number; length: number }): Promise<Uint8Array<ArrayBuffer>> {
      return new Uint8Array(await (await get(key, range)).arrayBuffer());
    },

    /** The bytes as they come; undefined where there is no such object. */
    async open(key: string): Promise<ReadableStream<Uint8Array> | undefined> {
      return (await bucket.get(key))?.body;
    },

    async write(key: string, value: Uint8Array | string): Promise<void> {
      await bucket.put(key, value);
    },

    /** Removes everything of a job. */
    async removeAll(job: string): Promise<void> {
      for (;;) {
        const { objects } = await bucket.list({ prefix: objectKeys.all(job), limit: pageObjects });
        if (objects.length === 0) return;
        await bucket.delete(objects.map(({ key }) => key));
      }
    },

    /** Begins an upload in parts; gives R2's name of it. */
    async beginUpload(key: string): Promise<string> {
      return (await bucket.createMultipartUpload(key)).uploadId;
    },

    /** Streams one part; gives R2's tag of it. */
    async putPart(
      key: string,
      { uploadId, part }: { uploadId: string; part: number },
      body: ReadableStream<Uint8Array>,
    ): Promise<string> {
      return (await bucket.resumeMultipartUpload(key, uploadId).uploadPart(part, body)).etag;
    },

    /** Puts the parts together; once it was done, again does nothing. */
    async completeUpload(key: string, uploadId: string, parts: readonly R2Part[]): Promise<void> {
      if ((await bucket.head(key)) !== null) return;
      await bucket.resumeMultipartUpload(key, uploadId).complete(parts);
    },

    /** Gives up an upload that is not complete; of one that is gone nothing is left to give up. */
    async abortUpload(key: string, uploadId: string): Promise<void> {
      await bucket
        .resumeMultipartUpload(key, uploadId)
        .abort()
        .catch(() => undefined);
    },

    /** An object as the readers of uploads take it. */
    async source(key: string): Promise<ByteSource> {
      const head = await bucket.head(key);
      if (head === null) throw new GuardError('internal', `the object ${key} is gone`);
      const { size } = head;
      const read = async (offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> => {
        const present = Math.min(length, size - offset);
        if (present <= 0) return new Uint8Array(0);
        return new Uint8Array(await (await get(key, { offset, length: present })).arrayBuffer());
      };
      return { size, read, stream: (offset = 0) => streamOf(read, { offset, size }) };
    },
  };
}

/** A stream of large chunks: R2's own come by the few thousand bytes, each of which costs as much as one of these. */
function streamOf(
  read: (offset: number, length: number) => Promise<Uint8Array<ArrayBuffer>>,
  { offset, size }: { offset: number; size: number },
): ReadableStream<Uint8Array> {
  let at = offset;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (at >= size) return controller.close();
        const chunk = await read(at, at === offset ? firstChunkBytes : chunkBytes);
        at += chunk.length;
        controller.enqueue(chunk);
      },
    },
    { highWaterMark: 0 },
  );
}

function padded(number: number): string {
  return String(number).padStart(7, '0');
}

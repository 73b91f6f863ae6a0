// Uploads made up for tests: files, sources that cut their streams in other places, and everything that a reading gives.
import { gzipSync } from 'node:zlib';
import { type ByteSource, memorySource } from '../../shared/uploads/byte-source.ts';
import { readUpload } from '../../shared/uploads/read-upload.ts';
import {
  defaultUploadLimits,
  type ExampleBatch,
  type UploadFile,
  type UploadLimits,
  type UploadOptions,
  type UploadSummary,
} from '../../shared/uploads/upload.ts';

/** An IDX file of unsigned bytes, as the MNIST page describes it. */
export function idxFile(shape: readonly number[], values: ArrayLike<number>): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4 + 4 * shape.length + values.length);
  bytes.set([0, 0, 8, shape.length]);
  for (const [axis, extent] of shape.entries()) new DataView(bytes.buffer).setUint32(4 + 4 * axis, extent);
  bytes.set(values, 4 + 4 * shape.length);
  return bytes;
}

/** Bytes that follow a fixed, uneven pattern. */
export function patternedBytes(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  let state = seed;
  return new Uint8Array(length).map(() => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 24;
  });
}

/** A source whose streams are cut after chunks of these sizes, over and over. */
export function cutSource(bytes: Uint8Array<ArrayBuffer>, sizes: readonly number[]): ByteSource {
  return {
    ...memorySource(bytes),
    stream(offset = 0) {
      let [at, turn] = [offset, 0];
      return new ReadableStream<Uint8Array>({
        pull(controller) {
          if (at >= bytes.length) return controller.close();
          const size = sizes[turn++ % sizes.length];
          controller.enqueue(bytes.slice(at, at + size));
          at += size;
        },
      });
    },
  };
}

/** A file of an upload in memory. */
export function fileOf(name: string, bytes: Uint8Array, sizes?: readonly number[]): UploadFile {
  const own = new Uint8Array(bytes);
  return { name, source: sizes === undefined ? memorySource(own) : cutSource(own, sizes) };
}

/** Gzipped bytes. */
export function gzipped(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(gzipSync(bytes));
}

/** All that a reading gives. */
export async function readAll(
  files: readonly UploadFile[],
  options: UploadOptions,
  limits: Partial<UploadLimits> = {},
): Promise<{ readonly batches: readonly ExampleBatch[]; readonly summary: UploadSummary }> {
  const reading = readUpload(files, options, { ...defaultUploadLimits, ...limits });
  const batches: ExampleBatch[] = [];
  for (;;) {
    const { done, value } = await reading.next();
    if (done) return { batches, summary: value };
    batches.push(value);
  }
}

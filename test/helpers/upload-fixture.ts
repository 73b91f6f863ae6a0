// Uploads made up for tests: files, sources that cut their streams in other places, and everything that a reading gives.
import { gzipSync } from 'node:zlib';
import { packTar, type TarHeader } from 'modern-tar';
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

/** A colour image, P6, of one side; its pixels follow from the seed. */
export function ppmFile(side: number, seed = 1): Uint8Array<ArrayBuffer> {
  const header = new TextEncoder().encode(`P6\n# made up\n${side} ${side}\n255\n`);
  return Uint8Array.of(...header, ...patternedBytes(3 * side * side, seed));
}

/** The header of a PNG file of that size with some bytes behind it: no reader of uploads decodes more. */
export function pngFile(width: number, height = width, seed = 1): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(60);
  bytes.set([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, 0x49, 0x48, 0x44, 0x52]);
  new DataView(bytes.buffer).setUint32(16, width);
  new DataView(bytes.buffer).setUint32(20, height);
  bytes.set(patternedBytes(36, seed), 24);
  return bytes;
}

/** One entry of an archive. */
export type TarFixture = Pick<TarHeader, 'name'> & Partial<TarHeader> & { readonly body?: Uint8Array };

/** A tar archive; an entry without a body is a folder unless it says another type. */
export function tarFile(entries: readonly TarFixture[]): Promise<Uint8Array<ArrayBuffer>> {
  return packTar(
    entries.map(({ body, ...header }) => {
      const type = header.type ?? (body === undefined ? 'directory' : 'file');
      const whole = { mtime: new Date(0), size: body?.length ?? 0, type, ...header };
      return body === undefined ? { header: whole } : { header: whole, body };
    }),
  );
}

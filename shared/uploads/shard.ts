// One batch of examples as one binary object, the same to the bit whenever it is written.
import { z } from 'zod';
import { assert } from '../assert.ts';
import { type ExampleBatch, type ExamplePixels, imageBytes, invalidUpload } from './upload.ts';

/** First bytes of every shard; the last one is the version of the format. */
const magic = Uint8Array.of(...new TextEncoder().encode('nccrshd'), 1);
/** What the header and the labels are padded to, so that floats can be read in place. */
const alignment = 8;
const headerAt = magic.length + 4;

const count = z.int().min(0);
const headerSchema = z.strictObject({
  first_row: count,
  examples: z.int().min(1),
  pixels: z
    .strictObject({ shape: z.tuple([count, count, count]), datatype: z.enum(['UINT8', 'FP32']) })
    .optional(),
  /** Bytes of each file, in their order. */
  file_bytes: z.array(count).optional(),
  names: z.array(z.string()).optional(),
});

/**
 * Writes a batch: magic, length of the header (uint32), header (JSON), labels (int32), then pixels or files one behind the
 * other; little-endian.
 */
export function writeShard(batch: ExampleBatch): Uint8Array<ArrayBuffer> {
  const { firstRow, labels, pixels, files } = batch;
  assert((pixels === undefined) !== (files === undefined), 'a batch has either pixels or files');
  const names = files?.map(({ name }) => name) ?? batch.names;
  const header = new TextEncoder().encode(
    JSON.stringify({
      first_row: firstRow,
      examples: labels.length,
      ...(pixels && { pixels: { shape: pixels.shape, datatype: pixels.datatype } }),
      ...(files && { file_bytes: files.map(({ bytes }) => bytes.length) }),
      ...(names && { names }),
    }),
  );
  const parts = pixels ? [bytesOf(pixels.data)] : files!.map(({ bytes }) => bytes);
  const labelsAt = aligned(headerAt + header.length);
  let at = aligned(labelsAt + labels.byteLength);
  const shard = new Uint8Array(parts.reduce((sum, { length }) => sum + length, at));
  shard.set(magic);
  new DataView(shard.buffer).setUint32(magic.length, header.length, true);
  shard.set(header, headerAt);
  shard.set(bytesOf(labels), labelsAt);
  for (const part of parts) {
    shard.set(part, at);
    at += part.length;
  }
  return shard;
}

/**
 * Reads what `writeShard` wrote.
 * @param bytes the whole shard; pixels and files of the batch may be views of it
 * @throws GuardError `invalid_dataset` where it is no shard, of another version or of another length than it says
 */
export function readShard(bytes: Uint8Array<ArrayBuffer>): ExampleBatch {
  const invalid = (cause?: unknown) => invalidUpload('a shard is damaged or of another version', cause);
  if (bytes.length < headerAt || magic.some((byte, index) => bytes[index] !== byte)) throw invalid();
  const headerBytes = new DataView(bytes.buffer, bytes.byteOffset).getUint32(magic.length, true);
  const header = parseHeader(bytes.subarray(headerAt, headerAt + headerBytes), invalid);
  const { examples, pixels, file_bytes: fileBytes, names } = header;
  const labelsAt = aligned(headerAt + headerBytes);
  const start = aligned(labelsAt + 4 * examples);
  const size = pixels ? examples * imageBytes(pixels) : (fileBytes ?? []).reduce((sum, n) => sum + n, 0);
  const lists = [fileBytes, names].filter((list) => list !== undefined);
  if (
    bytes.length !== start + size ||
    (pixels === undefined) === (fileBytes === undefined) ||
    (fileBytes !== undefined && names === undefined) ||
    lists.some(({ length }) => length !== examples)
  ) {
    throw invalid();
  }
  const labels = new Int32Array(bytes.slice(labelsAt, labelsAt + 4 * examples).buffer);
  const common = { firstRow: header.first_row, labels };
  if (pixels) {
    const batch = { ...common, pixels: readPixels(bytes.subarray(start), pixels) };
    return names === undefined ? batch : { ...batch, names };
  }
  let at = start;
  const files = fileBytes!.map((length, index) => {
    const file = { name: names![index], bytes: bytes.subarray(at, at + length) };
    at += length;
    return file;
  });
  return { ...common, files };
}

function parseHeader(bytes: Uint8Array, invalid: (cause?: unknown) => Error): z.infer<typeof headerSchema> {
  try {
    return headerSchema.parse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)));
  } catch (cause) {
    throw invalid(cause);
  }
}

function readPixels(
  bytes: Uint8Array<ArrayBuffer>,
  { shape, datatype }: Pick<ExamplePixels, 'shape' | 'datatype'>,
): ExamplePixels {
  if (datatype === 'UINT8') return { shape, datatype, data: bytes };
  const inPlace = bytes.byteOffset % Float32Array.BYTES_PER_ELEMENT === 0 ? bytes : bytes.slice();
  return { shape, datatype, data: new Float32Array(inPlace.buffer, inPlace.byteOffset, bytes.length / 4) };
}

function aligned(offset: number): number {
  return Math.ceil(offset / alignment) * alignment;
}

function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

// Batches of images that stand in a stream one after the other, each of the same number of bytes.
import type { ByteReader } from './byte-reader.ts';
import {
  type ExampleBatch,
  type ExamplePixels,
  type ImageShape,
  imageBytes,
  invalidUpload,
  type UploadLimits,
  type UploadOptions,
} from './upload.ts';

/** How images stand in a stream. */
export interface ImageRows {
  /** What to call the stream in errors. */
  readonly name: string;
  readonly shape: ImageShape;
  readonly datatype: 'UINT8' | 'FP32';
  readonly layout: 'nchw' | 'nhwc';
  /** Label of every image; as many as there are images. */
  readonly labels: Int32Array;
}

/**
 * Reads images behind whose header the reader stands, up to the last; memory is bounded by two batches.
 * @throws GuardError `invalid_dataset` where the stream ends before, or a float is not finite or out of its range
 */
export async function* rowBatches(
  reader: ByteReader,
  rows: ImageRows,
  { options, limits }: { options: UploadOptions; limits: UploadLimits },
): AsyncGenerator<ExampleBatch, void, void> {
  const { labels, name } = rows;
  const size = imageBytes(rows);
  const step = batchRows(size, options, limits);
  for (let row = 0; row < labels.length; row += step) {
    const count = Math.min(step, labels.length - row);
    const bytes = new Uint8Array(count * size);
    const filled = await reader.fill(bytes);
    if (filled < bytes.length) throw endsEarly(name, row + filled / size, labels.length);
    const pixels = pixelsOf(bytes, rows);
    if (pixels.datatype === 'FP32') checkRange(pixels.data, { name, row, size: size / 4, options });
    yield { firstRow: row, labels: labels.slice(row, row + count), pixels };
  }
}

/** Examples of one batch: as many as asked for, fewer where they are large, one at least. */
export function batchRows(exampleBytes: number, options: UploadOptions, limits: UploadLimits): number {
  return Math.max(1, Math.min(options.batch, Math.floor(limits.batchBytes / exampleBytes)));
}

/**
 * Swaps the axes of every image [positions, channels] to [channels, positions].
 * @returns a copy
 */
export function channelsFirst<T extends Uint8Array<ArrayBuffer> | Float32Array<ArrayBuffer>>(
  values: T,
  [channels, height, width]: ImageShape,
): T {
  const swapped = values.slice() as T;
  const positions = height * width;
  for (let base = 0; base < values.length; base += positions * channels) {
    for (let position = 0; position < positions; position++) {
      for (let channel = 0; channel < channels; channel++) {
        swapped[base + channel * positions + position] = values[base + position * channels + channel];
      }
    }
  }
  return swapped;
}

/** The images that some bytes of a file are; the bytes begin their buffer. */
export function pixelsOf(
  bytes: Uint8Array<ArrayBuffer>,
  { shape, datatype, layout }: Pick<ImageRows, 'shape' | 'datatype' | 'layout'>,
): ExamplePixels {
  const swap = layout === 'nhwc' && shape[0] > 1;
  if (datatype === 'UINT8') return { shape, datatype, data: swap ? channelsFirst(bytes, shape) : bytes };
  const floats = new Float32Array(bytes.buffer);
  return { shape, datatype, data: swap ? channelsFirst(floats, shape) : floats };
}

function checkRange(
  values: Float32Array,
  { name, row, size, options }: { name: string; row: number; size: number; options: UploadOptions },
): void {
  const [lowest, highest] = options.pixelRange ?? [0, 1];
  for (let index = 0; index < values.length; index++) {
    const value = values[index];
    if (value >= lowest && value <= highest) continue;
    const where = `${name} has the value ${value} in example ${row + Math.floor(index / size)}`;
    throw invalidUpload(
      Number.isFinite(value)
        ? `${where}; pixels are ${lowest} to ${highest}`
        : `${where}: every pixel must be finite`,
    );
  }
}

function endsEarly(name: string, examples: number, said: number): Error {
  return invalidUpload(`${name} is cut short: it ends in example ${Math.floor(examples)} of ${said}`);
}

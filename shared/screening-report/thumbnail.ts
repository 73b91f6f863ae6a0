// The small image of one example: its own file where that is small, or a PNG of its pixels.
import { encode } from 'fast-png';
import { assertShape } from '../assert.ts';
import type { Thumbnail } from '../contracts/screening-report.ts';
import { thumbnailBytesMax, thumbnailPixelsMax } from '../limits.ts';

/** An example as an upload has it. */
export type ExampleImage =
  | {
      /** [channels, height, width], 1 or 3 channels. */
      readonly shape: readonly [number, number, number];
      /** Row-major; bytes, or numbers between the bounds of `inputRange`. */
      readonly data: Uint8Array | Float32Array;
      /** Black and white of float32 pixels; bytes are 0 to 255. */
      readonly inputRange: readonly [number, number];
    }
  /** A whole file. */
  | { readonly bytes: Uint8Array };

/**
 * Makes a thumbnail. Pixels larger than `thumbnailPixelsMax` are shrunk by the mean of whole blocks.
 * @returns undefined where there is nothing to show: a file that is neither PNG nor JPEG or over `thumbnailBytesMax`, pixels of
 * other than 1 or 3 channels
 */
export function thumbnail(row: number, image: ExampleImage): Thumbnail | undefined {
  const file = 'bytes' in image ? image.bytes : pngOf(image);
  if (file === undefined || file.length > thumbnailBytesMax) return undefined;
  const mediaType = mediaTypeOf(file);
  return mediaType === undefined ? undefined : { row, media_type: mediaType, data: base64(file) };
}

/** By the first bytes: a name says nothing, and markup such as SVG must not get into a page. */
function mediaTypeOf(file: Uint8Array): Thumbnail['media_type'] | undefined {
  const starts = (signature: readonly number[]) => signature.every((byte, index) => file[index] === byte);
  if (starts([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])) return 'image/png';
  return starts([0xff, 0xd8, 0xff]) ? 'image/jpeg' : undefined;
}

function pngOf({
  shape,
  data,
  inputRange,
}: Exclude<ExampleImage, { bytes: unknown }>): Uint8Array | undefined {
  const [channels, height, width] = shape;
  assertShape(data, shape, 'pixels of a thumbnail');
  if ((channels !== 1 && channels !== 3) || height === 0 || width === 0) return undefined;
  const block = Math.ceil(Math.max(height, width) / thumbnailPixelsMax);
  const small = { height: Math.ceil(height / block), width: Math.ceil(width / block) };
  const [black, white] = data instanceof Uint8Array ? [0, 255] : inputRange;
  const pixels = new Uint8Array(small.height * small.width * channels);
  for (let channel = 0; channel < channels; channel++) {
    for (let y = 0; y < small.height; y++) {
      for (let x = 0; x < small.width; x++) {
        const mean = blockMean(data, { start: channel * height * width, height, width, block, x, y });
        const level = (255 * (mean - black)) / (white - black);
        pixels[(y * small.width + x) * channels + channel] = Math.round(Math.min(255, Math.max(0, level)));
      }
    }
  }
  return encode({ ...small, channels, depth: 8, data: pixels });
}

interface Block {
  readonly start: number;
  readonly height: number;
  readonly width: number;
  readonly block: number;
  readonly x: number;
  readonly y: number;
}

function blockMean(data: Uint8Array | Float32Array, { start, height, width, block, x, y }: Block): number {
  const bottom = Math.min(height, (y + 1) * block);
  const right = Math.min(width, (x + 1) * block);
  let sum = 0;
  for (let line = y * block; line < bottom; line++) {
    for (let column = x * block; column < right; column++) sum += data[start + line * width + column];
  }
  return sum / ((bottom - y * block) * (right - x * block));
}

function base64(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
}

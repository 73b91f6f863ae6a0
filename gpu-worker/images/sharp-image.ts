// Decodes PNG and JPEG files by libvips, after their headers have shown that they are what a model reads.
import sharp, { type Metadata, type Sharp } from 'sharp';
import { GuardError } from '../../shared/errors.ts';
import { imagePixelsMax } from '../../shared/limits.ts';

// Images are decoded beside each other, a thread each, and none is decoded twice.
sharp.concurrency(1);
sharp.cache(false);

/** What an image is decoded to. */
export interface ImageSpec {
  /** [channels, height, width]. */
  readonly shape: readonly [number, number, number];
  /** What to call the image in errors, such as `example 17`. */
  readonly name: string;
}

/** First bytes of the formats that are decoded: libvips knows many more, and what a file is must not be a guess. */
const signatures = {
  png: [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a],
  jpeg: [0xff, 0xd8, 0xff],
} as const;

/**
 * Reads the header of an image and refuses what a model does not read; not one pixel is decoded.
 * @throws GuardError `malformed_request` where it is neither PNG nor JPEG, or damaged; `body_too_large` where it has more pixels
 *   than are decoded; `invalid_input` where it has more than 8 bits a channel, or another size or other channels than the model's
 */
export async function checkImage(file: Uint8Array, { shape, name }: ImageSpec): Promise<void> {
  const format = Object.entries(signatures).find(([, bytes]) => bytes.every((byte, at) => file[at] === byte));
  if (format === undefined) throw broken(`${name} is neither a PNG nor a JPEG file`);
  const header = await headerOf(file, { name });
  const [channels, height, width] = shape;
  if (header.width * header.height > imagePixelsMax) {
    const sides = `${header.width} x ${header.height} pixels`;
    throw new GuardError('body_too_large', `${name} has ${sides}, the model reads ${width} x ${height}`);
  }
  if (header.width !== width || header.height !== height) {
    const sides = `${header.width} x ${header.height} pixels`;
    throw refused(`${name} has ${sides}, the model reads ${width} x ${height}`);
  }
  if (header.channels !== channels) {
    throw refused(`${name} has ${header.channels} channels, the model reads ${channels}`);
  }
  if (header.depth !== 'uchar') {
    throw refused(`${name} has more than 8 bits a channel`);
  }
}

/**
 * Decodes an image. Its colours are taken as they stand, whatever profile or orientation the file says, as what reads training
 * data commonly does.
 * @param file that `checkImage` has let pass
 * @returns bytes [channels, height, width]
 * @throws GuardError `malformed_request` where it is damaged
 */
export async function decodeImage(file: Uint8Array, { shape, name }: ImageSpec): Promise<Uint8Array> {
  const [channels, height, width] = shape;
  // A second guard beside the header's check, inside the decoder.
  const image = open(file, Math.min(imagePixelsMax, height * width)).toColourspace(
    channels === 1 ? 'b-w' : 'srgb',
  );
  const { data, info } = await image
    .raw()
    .toBuffer({ resolveWithObject: true })
    .catch((cause: unknown) => {
      throw broken(`${name} is damaged: ${said(cause)}`, cause);
    });
  if (info.channels !== channels || info.width !== width || info.height !== height) {
    throw broken(`${name} decodes to another shape than its header says`);
  }
  const planes = new Uint8Array(data.length);
  const positions = height * width;
  for (let position = 0; position < positions; position++) {
    // libvips keeps the channels of a pixel together.
    for (let channel = 0; channel < channels; channel++) {
      planes[channel * positions + position] = data[position * channels + channel];
    }
  }
  return planes;
}

function headerOf(file: Uint8Array, { name }: Pick<ImageSpec, 'name'>): Promise<Metadata> {
  // Without the bound, which would be told as damage: a header is read, no pixel.
  return open(file, false)
    .metadata()
    .catch((cause: unknown) => {
      throw broken(`${name} is damaged: ${said(cause)}`, cause);
    });
}

function open(file: Uint8Array, limitInputPixels: number | false): Sharp {
  return sharp(file, { limitInputPixels, failOn: 'truncated', ignoreIcc: true, pages: 1 });
}

function said(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

function refused(detail: string): GuardError {
  return new GuardError('invalid_input', detail);
}

function broken(detail: string, cause?: unknown): GuardError {
  return new GuardError('malformed_request', detail, { cause });
}

// A file of an image or a recording as the one row that a model reads.
import type { MediaKind } from '../../shared/contracts/media.ts';
import { GuardError } from '../../shared/errors.ts';
import type { NamedTensor } from '../../shared/maths/tensor.ts';
import { scaleBytes } from '../images/image-rows.ts';
import { checkImage, decodeImage } from '../images/sharp-image.ts';
import { decodeWav } from './decode-wav.ts';

/** The protected model's own input. */
export interface MediaInput {
  readonly name: string;
  /** Of one row: [channels, height, width] of an image, [samples] or [channels, samples] of a recording. */
  readonly shape: readonly number[];
  /** Lowest and highest valid value. */
  readonly range: readonly [number, number];
}

/** A file and how it is to be read. */
export interface MediaFile {
  readonly kind: MediaKind;
  readonly bytes: Uint8Array;
  /** Of recordings. */
  readonly sampleRate: number | undefined;
  readonly mixDown: boolean;
}

/**
 * Decodes a file: bytes of 0 to 255, or samples of -1 to 1, become the range of the model's values.
 * @returns float32 [1, ...input shape]
 * @throws GuardError `unsupported_media_type` where the model reads no such files, `malformed_request` where it is damaged,
 *   `body_too_large` where it would unpack to more than is decoded, `invalid_input` where it is not what the model reads
 */
export async function decodeMedia(file: MediaFile, input: MediaInput): Promise<NamedTensor> {
  const data = file.kind === 'image' ? await imageValues(file, input) : wavValues(file, input);
  return { name: input.name, datatype: 'FP32', shape: [1, ...input.shape], data };
}

async function imageValues({ bytes }: MediaFile, { shape, range }: MediaInput): Promise<Float32Array> {
  const [channels, height, width] = shape;
  if (shape.length !== 3) throw notRead('images', shape);
  const spec = { shape: [channels, height, width] as const, name: 'the image' };
  await checkImage(bytes, spec);
  return scaleBytes(await decodeImage(bytes, spec), range);
}

function wavValues({ bytes, sampleRate, mixDown }: MediaFile, { shape, range }: MediaInput): Float32Array {
  if (shape.length > 2) throw notRead('recordings', shape);
  if (sampleRate === undefined) {
    throw new GuardError('unsupported_media_type', 'the sample rate of this model is not configured');
  }
  const [channels, samples] = shape.length === 2 ? shape : [1, shape[0]];
  const values = decodeWav(bytes, { channels, samples, sampleRate, mixDown });
  const [low, high] = range;
  return values.map((value) => low + ((value + 1) / 2) * (high - low));
}

function notRead(what: string, shape: readonly number[]): GuardError {
  const detail = `the model reads [${shape.join(', ')}], and no ${what}`;
  return new GuardError('unsupported_media_type', detail);
}

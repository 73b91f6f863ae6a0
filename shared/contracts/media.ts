// Images and recordings as whole files: their types, and the call by which the edge has one decoded.
import { z } from 'zod';

/** Types of files that are decoded, by every name that clients send. */
const mediaTypeNames = {
  'image/png': 'image',
  'image/jpeg': 'image',
  'audio/wav': 'audio',
  'audio/wave': 'audio',
  'audio/x-wav': 'audio',
  'audio/vnd.wave': 'audio',
} as const;

/** What a file holds. */
export type MediaKind = (typeof mediaTypeNames)[keyof typeof mediaTypeNames];

/** Every type by its name. */
export const mediaTypes = Object.keys(mediaTypeNames) as readonly (keyof typeof mediaTypeNames)[];

/** What a file holds by the value of its `content-type`; undefined where it is no file that is decoded. */
export function mediaKind(contentType: string | null | undefined): MediaKind | undefined {
  const type = (contentType ?? '').split(';')[0].trim().toLowerCase();
  return Object.hasOwn(mediaTypeNames, type)
    ? mediaTypeNames[type as keyof typeof mediaTypeNames]
    : undefined;
}

/** How recordings become the input of a model. */
export interface AudioInput {
  /** Samples a second that the model reads. */
  readonly sampleRate: number;
  /** Whether several channels are averaged to the one that the model reads; they are refused otherwise. */
  readonly mixDown: boolean;
}

/**
 * Query of `POST /v2/models/{model}/decode`, whose body is a file of one of these types. The answer is an inference response of
 * the binary extension: one FP32 tensor of one row, under the name of the model's own input.
 */
export const decodeQuerySchema = z.strictObject({
  /** Samples a second that the model reads; needed of recordings. */
  sample_rate: z.coerce.number().int().min(1).max(1_000_000).optional(),
  /** Whether several channels are averaged to one. */
  mix_down: z.enum(['true', 'false']).optional(),
});

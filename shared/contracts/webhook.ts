// Contract of a webhook: what a receiver is told when a screening has ended, and the secrets that sign it.
import { z } from 'zod';
import { problemSchema } from '../problem-response.ts';
import { digestSchema } from './extraction.ts';
import { nameSchema } from './inference.ts';

const ended = { id: nameSchema, model: nameSchema };

/**
 * Body of a webhook, as Standard Webhooks lays it out. It has no suspects and no images: whoever is told fetches the report
 * with credentials of his own.
 */
export const webhookPayloadSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('screening.completed'),
    timestamp: z.iso.datetime(),
    data: z.strictObject({
      ...ended,
      dataset_digest: digestSchema,
      examples: z.int().positive(),
      /** Labels of the poisoned classes, ascending. */
      poisoned: z.array(z.int().min(0)),
      suspects: z.int().min(0),
    }),
  }),
  z.strictObject({
    type: z.literal('screening.failed'),
    timestamp: z.iso.datetime(),
    data: z.strictObject({ ...ended, failure: problemSchema }),
  }),
  z.strictObject({
    type: z.literal('screening.cancelled'),
    timestamp: z.iso.datetime(),
    data: z.strictObject({ ...ended }),
  }),
]);
export type WebhookPayload = z.infer<typeof webhookPayloadSchema>;

const secretPrefix = 'whsec_';

/** A secret that signs webhooks: `whsec_` and 24 to 64 bytes in base64, as Standard Webhooks asks. */
export const webhookSecretSchema = z
  .string()
  .startsWith(secretPrefix)
  .refine((secret) => {
    const bytes = z.base64().safeParse(secret.slice(secretPrefix.length));
    if (!bytes.success) return false;
    const length = (3 * bytes.data.length) / 4 - (bytes.data.match(/=+$/)?.[0].length ?? 0);
    return length >= 24 && length <= 64;
  }, 'must be whsec_ and 24 to 64 bytes in base64');

/** One secret, or two while one takes the place of the other: both sign until the older is taken out. */
export const webhookSecretsSchema = z.array(webhookSecretSchema).min(1).max(2);

const retrySecondsSchema = z
  .string()
  .regex(/^\d{1,5}$/)
  .transform(Number)
  .pipe(z.int().min(1).max(86_400));

/** Seconds between the attempts, as words: each wait is two steps of a Workflow, and a day is as long as a receiver may be away. */
export const webhookRetrySecondsSchema = z.array(retrySecondsSchema).max(10);

// What a caller asks of the audit: filters, page and cursor, read from the query.

import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { nameSchema } from '../../shared/contracts/inference.ts';
import { failureClasses, verdictKinds } from '../../shared/contracts/verdict.ts';
import { GuardError } from '../../shared/errors.ts';
import { auditPageMax } from '../../shared/limits.ts';
import { requireModel } from '../access/principal.ts';
import type { AppEnv } from './app-env.ts';

/** An instant as verdicts have it, so that it can be compared with theirs as text. */
const instantSchema = z.iso.datetime({ offset: true }).transform((text) => new Date(text).toISOString());

/** The filters of every question to the audit. */
export const auditFilterSchema = z.strictObject({
  model: nameSchema.optional(),
  verdict: z.enum(verdictKinds).optional(),
  failure: z.enum(failureClasses).optional(),
  principal: z.string().min(1).max(256).optional(),
  from: instantSchema.optional(),
  to: instantSchema.optional(),
  cursor: z.string().max(400).optional(),
});

/** Those of a page. */
export const auditPageQuerySchema = auditFilterSchema.extend({
  limit: z
    .string()
    .regex(/^\d{1,3}$/, `a number from 1 to ${auditPageMax}`)
    .transform(Number)
    .pipe(z.int().min(1).max(auditPageMax))
    .default(100),
});

/**
 * Reads a query. Who has a list of models asks for one of them.
 * @throws GuardError `malformed_request` that names what is wrong or unknown: a filter that is passed over would show too much;
 *   `forbidden` of a model that is not the caller's
 */
export function readQuestion<T extends { readonly model?: string | undefined }>(
  schema: z.ZodType<T>,
  context: Context<AppEnv>,
): T {
  const parsed = schema.safeParse(context.req.query());
  if (parsed.success) {
    requireModel(context.get('principal'), parsed.data.model ?? '');
    return parsed.data;
  }
  const places = parsed.error.issues.slice(0, 8).map(({ path, message }) => {
    return { pointer: path.map(String).join('.') || 'query', detail: message.slice(0, 200) };
  });
  throw new GuardError('malformed_request', `${places[0].pointer}: ${places[0].detail}`, { places });
}

// The audit as it is listed.
import { z } from 'zod';
import { digestSchema } from './extraction.ts';
import { verdictSchema } from './verdict.ts';

/** One entry: the verdict, and what is kept beside it. */
export const auditEntrySchema = z.object({
  model: z.string(),
  principal: z.string().nullable().describe('Who sent the request, by the id of their key or token.'),
  request_digest: digestSchema
    .nullable()
    .describe('SHA-256 of the body of the request, which is not kept; null where it was not read.'),
  verdict: verdictSchema,
});

/** A page of the audit. */
export const auditPageSchema = z.object({
  verdicts: z.array(auditEntrySchema),
  next: z.string().nullable().describe('Cursor of the page that follows; null where this is the last one.'),
});

export type AuditPageBody = z.infer<typeof auditPageSchema>;

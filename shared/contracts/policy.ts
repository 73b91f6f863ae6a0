// The policy of a model: what its guard may do, judges by, does where it cannot judge, and tells.
import { z } from 'zod';
import { type FailureClass, failureClasses, guardModes } from './verdict.ts';

/** What becomes of a request that could not be judged. */
export const failureOutcomes = ['refuse', 'pass'] as const;
export type FailureOutcome = (typeof failureOutcomes)[number];

/** Classes that no policy lets pass: padding, hanging up or a wrong token would be ways around the guard. */
export const closedFailureClasses = ['worker_auth', 'body_too_large', 'client_cancel'] as const;

/** What the caller is told beside the answer itself. */
export const reveals = ['nothing', 'verdict', 'scores'] as const;

const outcomeSchema = z.enum(failureOutcomes).default('refuse');
const closedSchema = z.literal('refuse').default('refuse');

/** One outcome a class of failure. */
export const failurePolicySchema = z.strictObject({
  timeout: outcomeSchema,
  overload: outcomeSchema,
  worker_unreachable: outcomeSchema,
  worker_auth: closedSchema,
  bad_worker_reply: outcomeSchema,
  no_detector: outcomeSchema,
  unsupported_input: outcomeSchema,
  body_too_large: closedSchema,
  client_cancel: closedSchema,
  query_check: outcomeSchema,
  internal: outcomeSchema,
} satisfies Record<FailureClass, z.ZodType>);
export type FailurePolicy = z.infer<typeof failurePolicySchema>;

/** Every failure refuses. */
const closed = Object.fromEntries(failureClasses.map((one) => [one, 'refuse'])) as FailurePolicy;

const thresholdsSchema = z
  .strictObject({
    flag: z
      .number()
      .nullable()
      .default(null)
      .describe(
        'A row with a greater score is flagged: forwarded, and the verdict told. Null flags nothing.',
      ),
    block: z
      .number()
      .nullable()
      .default(null)
      .describe(
        'A row with a greater score is refused. Null takes the threshold that the detector was calibrated with.',
      ),
  })
  .refine(({ flag, block }) => flag === null || block === null || flag <= block, {
    path: ['flag'],
    message: 'must not be greater than block',
  });

/** When queries of one caller that are nearly the same input become a verdict. */
const queriesSchema = z.strictObject({
  matches_min: z
    .int()
    .min(1)
    .max(500)
    .default(3)
    .describe('Earlier inputs of the caller, each another one, that an input nearly equals.'),
  window_s: z.int().min(1).max(86_400).default(3_600).describe('How old they may be.'),
  action: z.enum(['flag', 'block']).default('flag'),
});

/** The policy of one model. A member that is not known is refused: what it was meant to close would stay open. */
export const policySchema = z.strictObject({
  mode: z.enum(guardModes),
  sampling_percent: z
    .number()
    .min(0)
    .max(100)
    .default(100)
    .describe('Share of the requests that is judged; the others are forwarded and audited as not scored.'),
  thresholds: thresholdsSchema.default({ flag: null, block: null }),
  failures: failurePolicySchema
    .default(closed)
    .describe(
      'Whether a request that could not be judged is refused or passes, by the class of the failure.',
    ),
  batch: z
    .enum(['refuse', 'cut'])
    .default('refuse')
    .describe('Whether one bad row refuses its whole request or is cut out of it.'),
  reveal: z
    .enum(reveals)
    .default('verdict')
    .describe(
      'What callers without the scope admin are told: scores help an attacker with the next attempt.',
    ),
  timeout_ms: z
    .int()
    .min(1)
    .max(60_000)
    .nullable()
    .default(null)
    .describe('Time that a verdict may take; null is the time that the edge is configured with.'),
  queries: queriesSchema
    .nullable()
    .default(null)
    .describe('The check for attacks that ask again and again with nearly the same input; null is none.'),
});
export type Policy = z.infer<typeof policySchema>;

/** The policy in which nothing but the mode was chosen: closed on every failure. */
export function defaultPolicy(mode: Policy['mode']): Policy {
  return policySchema.parse({ mode });
}

/** One version of a model's policy; immutable. */
export const policyVersionSchema = z.object({
  model: z.string(),
  version: z.int().min(0).describe('0 is what the configuration says.'),
  policy: policySchema,
  published_at: z.iso.datetime().nullable(),
  published_by: z.string().nullable().describe('Who published it, by the id of their credentials.'),
  restored_from: z.int().nullable().describe('The version that a rollback published again.'),
});
export type PolicyVersion = z.infer<typeof policyVersionSchema>;

/** A policy that is worked on and guards nothing yet. */
export const policyDraftSchema = z.object({
  policy: policySchema,
  saved_at: z.iso.datetime(),
  saved_by: z.string(),
});
export type PolicyDraft = z.infer<typeof policyDraftSchema>;

/** The policy of a model: the version that guards it, and the draft of the next one. */
export const policyStateSchema = z.object({
  model: z.string(),
  current: policyVersionSchema,
  draft: policyDraftSchema.nullable(),
});
export type PolicyState = z.infer<typeof policyStateSchema>;

export const policyListSchema = z.object({ policies: z.array(policyStateSchema) });
export const policyVersionListSchema = z.object({ versions: z.array(policyVersionSchema) });
export const policyRollbackSchema = z.strictObject({ version: z.int().min(0) });

/** One member that differs, as RFC 6902 would change it, with what it was before. */
export const policyChangeSchema = z.object({
  op: z.literal('replace'),
  path: z.string().describe('A JSON pointer.'),
  old: z.unknown(),
  value: z.unknown(),
});
export type PolicyChange = z.infer<typeof policyChangeSchema>;

const policySideSchema = z.union([z.int(), z.literal('draft')]);
/** What differs between two versions, or between one and the draft. */
export const policyDiffSchema = z.object({
  model: z.string(),
  from: policySideSchema,
  to: policySideSchema,
  changes: z.array(policyChangeSchema),
});
export type PolicyDiff = z.infer<typeof policyDiffSchema>;

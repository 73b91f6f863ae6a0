// The verdict: a value that every part of the guard passes on and nobody bends.
import { z } from 'zod';
import { digestSchema } from './extraction.ts';

/** Whether the guard looks on, and whether it may refuse. */
export const guardModes = ['off', 'shadow', 'enforce'] as const;
export type GuardMode = (typeof guardModes)[number];

/** What a score means: `not_scored` and `error` are never a clean pass. */
export const verdictKinds = ['allow', 'flag', 'block', 'not_scored', 'error'] as const;
export type VerdictKind = (typeof verdictKinds)[number];

/** Why an input could not be scored. */
export const failureClasses = [
  'timeout',
  'overload',
  'worker_unreachable',
  'worker_auth',
  'bad_worker_reply',
  'no_detector',
  'unsupported_input',
  'body_too_large',
  'client_cancel',
  'query_check',
  'internal',
] as const;
export type FailureClass = (typeof failureClasses)[number];

/** Which implementation computed a score. */
export const scorers = ['onnxruntime-web', 'typescript'] as const;
export type Scorer = (typeof scorers)[number];

/** Score of one row of the batch. */
export const rowVerdictSchema = z.object({
  row: z.int().min(0),
  verdict: z.enum(['allow', 'flag', 'block']),
  score: z.number(),
  /** The one that this row was judged by; absent from verdicts of before rows had their own. */
  threshold: z.number().optional(),
  /** Of the trigger check, where the detector has one: the row is blocked too where this score is greater than this threshold. */
  trigger: z.object({ score: z.number(), threshold: z.number() }).optional(),
  /** Rows that the protected model was run over for this score, the input itself among them; absent from verdicts of before it was kept. */
  forwards: z.int().min(1).optional(),
  /** SHA-256 of the row's float32 bytes: selects its noise. */
  input_digest: digestSchema,
});

/** The verdict object, as it is answered and as the audit keeps it. */
export const verdictSchema = z.object({
  id: z.string().describe('Also the id of its audit entry.'),
  request_id: z.string(),
  at: z.iso.datetime(),
  verdict: z.enum(verdictKinds).describe('What the score means, whatever the mode; the worst of all rows.'),
  mode: z.enum(guardModes),
  enforced: z.boolean().describe('Whether the request was refused, or the rows that rows_cut names.'),
  rows_cut: z
    .array(z.int().min(0))
    .optional()
    .describe('Rows that were cut out of the request before it was forwarded.'),
  score: z
    .number()
    .nullable()
    .describe(
      'Adversarial logit - clean logit of the row that comes nearest to its threshold or exceeds it most.',
    ),
  threshold: z.number().nullable().describe('The threshold of that row.'),
  target_fpr: z.number().nullable(),
  fpr_ci95: z.tuple([z.number(), z.number()]).nullable(),
  reasons: z.array(z.string()),
  failure: z.object({ class: z.enum(failureClasses), code: z.string(), detail: z.string() }).nullable(),
  rows: z.array(rowVerdictSchema),
  detector: z
    .object({
      name: z.string(),
      version: z.string(),
      artefact: digestSchema,
      model: z.string(),
      model_digest: digestSchema,
      compiled_digest: digestSchema
        .nullable()
        .describe('Of the compiled graph; of a sequential test that of its first stage.'),
      stage_digests: z
        .array(digestSchema)
        .optional()
        .describe('Of the compiled graphs of all stages of a sequential test that were run.'),
      noise_key_id: z.string(),
      scorer: z.enum(scorers).nullable(),
    })
    .nullable(),
  queries: z
    .object({
      matches: z.int().min(0),
      matches_min: z.int().min(1),
      window_s: z.int().min(1),
    })
    .optional()
    .describe(
      'Of the check for query attacks, where the policy asks for it: how many earlier inputs of the caller the input nearly equals.',
    ),
  requests: z
    .int()
    .min(1)
    .optional()
    .describe(
      'Of an entry of the audit that stands for several requests, which mode shadow left out within a second: how many.',
    ),
  policy: z.object({ id: z.string(), version: z.int() }),
  timings_ms: z.object({ extract: z.number(), decide: z.number(), total: z.number() }),
  taxonomy: z.array(z.string()).describe('MITRE ATLAS techniques that a refusal speaks of.'),
  trace_id: z.string().nullable(),
});

export type RowVerdict = z.infer<typeof rowVerdictSchema>;
export type Verdict = z.infer<typeof verdictSchema>;

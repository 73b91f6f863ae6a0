// The only place that turns an error into an HTTP answer (RFC 9457, with the `error` member that OIP v2 clients read).
import { z } from 'zod';
import { errorTable, type GuardError } from './errors.ts';

/** Media type of every error answer. */
export const problemMediaType = 'application/problem+json';

/** The body of every error answer. */
export const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: z.string(),
  error: z
    .string()
    .describe('The same as detail: the member that clients of the Open Inference Protocol read.'),
  request_id: z.string().optional(),
  verdict_id: z.string().optional(),
  errors: z.array(z.object({ pointer: z.string(), detail: z.string() })).optional(),
});

/** What a problem answer says beside the error itself. */
export interface ProblemContext {
  readonly requestId?: string;
  /** Id of the verdict that led to this refusal. */
  readonly verdictId?: string;
  /** Type under which the answer goes to clients of a protocol that know of no problem details; its body is the same. */
  readonly mediaType?: 'application/json';
}

/** The body of an error answer. */
export type Problem = z.infer<typeof problemSchema>;

/**
 * Says an error as its answer does, for where it is kept to be read later.
 * An `internal` or `invalid_config` error keeps its detail to the log: the caller learns only the title.
 */
export function problemOf(error: GuardError, context: ProblemContext = {}): Problem {
  const { status, title } = errorTable[error.code];
  const detail = status === 500 ? title : error.message;
  return {
    type: `urn:nccr-guard:problem:${error.code}`,
    title,
    status,
    detail,
    code: error.code,
    error: detail,
    ...(context.requestId === undefined ? {} : { request_id: context.requestId }),
    ...(context.verdictId === undefined ? {} : { verdict_id: context.verdictId }),
    ...(error.places.length === 0 ? {} : { errors: error.places.map((place) => ({ ...place })) }),
  };
}

/** Answers an error as `application/problem+json`. */
export function problemResponse(error: GuardError, context: ProblemContext = {}): Response {
  const body = problemOf(error, context);
  const { status } = body;
  const headers = new Headers({ 'content-type': context.mediaType ?? problemMediaType });
  if (context.requestId !== undefined) headers.set('x-request-id', context.requestId);
  if (error.retryAfterSeconds !== undefined) headers.set('retry-after', String(error.retryAfterSeconds));
  if (error.code === 'unauthorized') headers.set('www-authenticate', 'Bearer');
  for (const [name, value] of Object.entries(error.headers)) headers.set(name, value);
  return new Response(JSON.stringify(body), { status, headers });
}

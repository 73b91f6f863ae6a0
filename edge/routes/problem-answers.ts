// The problem answers as the OpenAPI document lists them.
import { type ErrorCode, errorTable } from '../../shared/errors.ts';
import { problemMediaType, problemSchema } from '../../shared/problem-response.ts';

/** Describes the answers that report the given errors, by their status. */
export function problemAnswers(...codes: readonly ErrorCode[]) {
  const titles = new Map<number, string[]>();
  for (const code of codes) {
    const { status, title } = errorTable[code];
    titles.set(status, [...(titles.get(status) ?? []), title]);
  }
  const content = { [problemMediaType]: { schema: problemSchema } };
  return Object.fromEntries(
    Array.from(titles, ([status, names]) => [status, { description: names.join('; '), content }]),
  );
}

/** Errors that every guarded request can end in. */
export const guardErrors = [
  'malformed_request',
  'unauthorized',
  'unknown_model',
  'body_too_large',
  'unsupported_media_type',
  'invalid_input',
  'batch_too_large',
  'overloaded',
  'deadline_exceeded',
  'client_deadline_exceeded',
  'extractor_unreachable',
  'extractor_unauthorized',
  'bad_extractor_reply',
  'detector_unavailable',
] as const satisfies readonly ErrorCode[];

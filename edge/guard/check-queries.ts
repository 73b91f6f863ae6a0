// Compares the inputs of a request with what its caller asked before, beside the extraction.

import { GuardError } from '../../shared/errors.ts';
import { sha256Digest } from '../../shared/noise/noise-key.ts';
import { type QuerySalt, queryFingerprint, querySalt } from '../../shared/queries/query-fingerprint.ts';
import type { GuardServices } from './guard-services.ts';
import type { JudgedRequest } from './judge-input.ts';
import type { QueryFinding } from './raise-queries.ts';
import { rowOf, type ValidInput } from './validate-input.ts';
import { withinDeadline } from './within-deadline.ts';

/** Longest wait for the history of a caller: it may live on another continent. */
const compareMsMax = 1_000;

/** Salts by the size of an input; as many as there are sizes of models. */
const salts = new Map<string, QuerySalt>();

/** What is checked, and until when. */
export interface QueryCheck {
  readonly request: Pick<JudgedRequest, 'model' | 'principal'>;
  readonly input: ValidInput;
  readonly range: readonly [number, number];
  /** Instant of `Date.now()`. */
  readonly deadlineAt: number;
}

/** Checks the inputs where the policy asks for it. Never throws: that it failed is a finding too. */
export async function checkQueries(
  check: QueryCheck,
  services: Pick<GuardServices, 'noiseKey' | 'queries'>,
): Promise<QueryFinding | undefined> {
  const { queries } = check.request.model.policy;
  if (queries === null) return undefined;
  try {
    const deadlineAt = Math.min(check.deadlineAt, Date.now() + compareMsMax);
    const comparing = compareRows(check, { windowMs: queries.window_s * 1000, ...services });
    const counts = await withinDeadline(comparing, deadlineAt, 'looking up earlier queries');
    return { matches: Math.max(...counts) };
  } catch (cause) {
    if (cause instanceof GuardError && cause.code === 'query_check_unavailable') return { error: cause };
    // Whatever it was, a time that ran out or a bug: what failed is this check.
    const detail = 'the check for query attacks failed';
    return { error: new GuardError('query_check_unavailable', detail, { cause, retryAfterSeconds: 1 }) };
  }
}

async function compareRows(
  { request, input, range }: QueryCheck,
  {
    noiseKey,
    queries,
    windowMs,
  }: Pick<GuardServices, 'noiseKey' | 'queries'> & { readonly windowMs: number },
): Promise<readonly number[]> {
  // The extraction is asked first: it takes longer than this does.
  await new Promise((resolve) => setTimeout(resolve, 0));
  const size = input.values.length / input.rows;
  const saltName = `${noiseKey.id} ${size}`;
  const salt = salts.get(saltName) ?? (await querySalt(noiseKey, size));
  salts.set(saltName, salt);
  const inputs = await Promise.all(
    Array.from({ length: input.rows }, async (_, row) => {
      const values = rowOf(input, row);
      const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      return { digest: await sha256Digest(bytes), fingerprint: queryFingerprint(values, { range, salt }) };
    }),
  );
  const caller = { noiseKeyId: noiseKey.id, model: request.model.name, principal: request.principal };
  return queries.compare(caller, { inputs, windowMs });
}

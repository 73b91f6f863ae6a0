// One call to the gpu-worker: its answer in time and within bounds, or an error that says which neighbour failed how.
import { type ErrorCode, GuardError } from '../../shared/errors.ts';
import { extractionBytesMax } from '../../shared/limits.ts';
import { elementCount, type NamedTensor } from '../../shared/maths/tensor.ts';
import { parseJson } from '../../shared/oip/parse-json.ts';
import { problemSchema } from '../../shared/problem-response.ts';
import type { FetcherBinding } from '../bindings.ts';
import type { CallOutcome } from './circuit-breaker.ts';
import type { Attempt } from './neighbour.ts';
import { readMessageBody } from './read-bounded.ts';

/** What the gpu-worker answered. */
export interface WorkerAnswer {
  readonly bytes: Uint8Array;
  readonly headers: Headers;
}

/** Codes by statuses. */
export type Refusals = Readonly<Record<number, ErrorCode>>;

/** One call. */
export interface WorkerCall {
  readonly deadlineAt: number;
  readonly init: RequestInit;
  /** What is asked in place of the network. */
  readonly fetcher?: FetcherBinding | undefined;
  /**
   * What a status means that is told to the sender in the gpu-worker's own words: of examples and files, which nobody has looked
   * at before. A guard has checked its input and is told nothing.
   */
  readonly refusals?: Refusals;
  /** Time without which a call that came to no end says nothing of the gpu-worker: whoever calls may be in a hurry. */
  readonly patienceMs?: number;
}

/** Bytes that are read of a refusal. */
const refusalBytesMax = 64 * 1024;

/**
 * Asks and reads the answer to its end.
 * @throws GuardError `extractor_unreachable`, `extractor_unauthorized`, `overloaded`, `deadline_exceeded`,
 *   `bad_extractor_reply`, or `detector_unavailable` where the model is not served
 */
export async function askWorker(url: string, call: WorkerCall): Promise<WorkerAnswer> {
  const ended = await tryWorker(url, call);
  if ('error' in ended) throw ended.error;
  return ended.answer;
}

/** The same as a value that says besides what it means for the gpu-worker, and whether to ask it again. */
export async function tryWorker(
  url: string,
  { deadlineAt, init, fetcher = globalThis, refusals = {}, patienceMs = 0 }: WorkerCall,
): Promise<Attempt<WorkerAnswer>> {
  const remainingMs = deadlineAt - Date.now();
  const late: CallOutcome = remainingMs >= patienceMs ? 'failed' : 'unknown';
  if (remainingMs <= 0) {
    const error = new GuardError('deadline_exceeded', 'no time was left for the extraction');
    return { outcome: 'unknown', error, retry: false };
  }
  const signal = AbortSignal.timeout(remainingMs);
  const lost = (code: ErrorCode, cause: unknown): Attempt<never> => {
    const error = transportError(cause, signal, code);
    // An extraction changes nothing: whatever became of the first one, it may be asked for again.
    return signal.aborted
      ? { outcome: late, error, retry: false }
      : { outcome: 'failed', error, retry: true };
  };
  try {
    const response = await fetcher.fetch(url, { ...init, redirect: 'manual', signal });
    if (response.status !== 200) return await tryStatus(response, { refusals, late });
    const { headers } = response;
    const read = await readMessageBody(response, { bytesMax: extractionBytesMax }).catch((cause: unknown) =>
      lost('bad_extractor_reply', cause),
    );
    if (read instanceof Uint8Array) return { outcome: 'answered', answer: { bytes: read, headers } };
    const error = badReply(`its answer is larger than ${extractionBytesMax} bytes`);
    return read ?? { outcome: 'answered', error, retry: false };
  } catch (cause) {
    return lost('extractor_unreachable', cause);
  }
}

/** What a status other than 200 means. */
async function tryStatus(
  response: Response,
  { refusals, late }: { refusals: Refusals; late: CallOutcome },
): Promise<Attempt<never>> {
  const { status } = response;
  const refused = refusals[status];
  if (refused !== undefined) {
    return { outcome: 'answered', error: await refusal(response, refused), retry: false };
  }
  // The body is dropped so that the connection is free for the next request.
  await response.body?.cancel().catch(() => undefined);
  const error = statusError(response);
  if (status === 504) return { outcome: late, error, retry: false };
  // One that sheds load is well, and asking it again would be the load that it sheds; a proxy that finds nobody says 502.
  const outcome = status >= 500 && status !== 503 ? 'failed' : 'answered';
  return { outcome, error, retry: status === 502 };
}

/** What the gpu-worker found wrong with an example, in its own words. */
async function refusal(response: Response, code: ErrorCode): Promise<GuardError> {
  const bytes = await readMessageBody(response, { bytesMax: refusalBytesMax });
  const problem = problemSchema.safeParse(parseReply(() => parseJson(bytes ?? new Uint8Array(0))));
  const detail = problem.success ? problem.data.detail : 'an example is refused by the gpu-worker';
  const places = problem.success ? (problem.data.errors ?? []) : [];
  return new GuardError(code, detail, { places });
}

function transportError(cause: unknown, signal: AbortSignal, code: ErrorCode): GuardError {
  if (signal.aborted) {
    return new GuardError('deadline_exceeded', 'the extraction took longer than the guard may', { cause });
  }
  const detail =
    code === 'extractor_unreachable' ? 'the gpu-worker cannot be reached' : 'its answer broke off';
  return new GuardError(code, detail, { cause });
}

function statusError({ status, headers }: Response): GuardError {
  switch (status) {
    case 401:
    case 403:
      return new GuardError(
        'extractor_unauthorized',
        'the gpu-worker does not accept the token of the guard',
      );
    case 404:
      return new GuardError('detector_unavailable', 'the gpu-worker does not serve this model');
    case 429:
    case 503: {
      const retryAfterSeconds = Number(headers.get('retry-after') ?? 1);
      const usable =
        Number.isInteger(retryAfterSeconds) && retryAfterSeconds >= 0 && retryAfterSeconds <= 3600;
      const options = { retryAfterSeconds: usable ? retryAfterSeconds : 1 };
      return new GuardError('overloaded', 'the gpu-worker has more work than it takes', options);
    }
    case 502:
      return new GuardError('extractor_unreachable', 'the gpu-worker cannot be reached');
    case 504:
      return new GuardError('deadline_exceeded', 'the gpu-worker did not extract in time');
    default:
      return badReply(`it answered with status ${status}`);
  }
}

/** An output by its name, of float32 and finite. */
export function floatOutput(
  outputs: readonly NamedTensor[],
  name: string,
  shape: readonly number[],
): Float32Array {
  const output = outputs.find((one) => one.name === name);
  if (output === undefined) throw badReply(`it has no output ${name}`);
  if (output.datatype !== 'FP32' || output.shape.join() !== shape.join()) {
    const found = `${output.datatype} [${output.shape.join(', ')}]`;
    throw badReply(`its ${name} are ${found} instead of FP32 [${shape.join(', ')}]`);
  }
  const values = output.data as Float32Array;
  if (values.length !== elementCount(shape) || !values.every(Number.isFinite)) {
    throw badReply(`its ${name} are not all finite`);
  }
  return values;
}

/** Reads a part of an answer. @throws GuardError `bad_extractor_reply` where that fails */
export function parseReply<T>(parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw new GuardError('bad_extractor_reply', 'the gpu-worker: its answer cannot be read', { cause });
  }
}

/** What is wrong with an answer. */
export function badReply(detail: string): GuardError {
  return new GuardError('bad_extractor_reply', `the gpu-worker: ${detail}`);
}

/** An address to which paths can be appended, whether or not it was written with a slash at its end. */
export function folderUrl(url: URL): URL {
  return url.pathname.endsWith('/') ? url : new URL(`${url.href}/`);
}

// Takes refused rows out of a batch before it is forwarded, and marks their places in the answer.
import { headerLengthHeader } from '../../shared/contracts/inference.ts';
import type { Verdict } from '../../shared/contracts/verdict.ts';
import { GuardError } from '../../shared/errors.ts';
import { cutAnswerBytesMax } from '../../shared/limits.ts';
import { elementCount, type NamedTensor } from '../../shared/maths/tensor.ts';
import { type AddedMember, addMember } from '../../shared/oip/add-member.ts';
import { type OipMessage, writeRequest } from '../../shared/oip/write-message.ts';
import { cutPredictRequest } from '../../shared/tensorflow-serving/predict-request.ts';
import { readBounded } from '../clients/read-bounded.ts';
import type { UpstreamProtocol } from '../model-variables.ts';
import { type InputMessage, readInference } from './validate-input.ts';

/** Flat parameter and header of an answer that lack rows of the request: their numbers from 0, with commas between. */
export const rowsCut = { parameter: 'guard_rows_cut', header: 'x-guard-rows-cut' } as const;

/** Headers that are true of the bytes that came, not of others that are passed on in their place. */
const bytesHeaders = ['content-length', 'content-md5', 'digest', 'content-digest', 'repr-digest', 'etag'];

/** A body with the headers that it is read by. */
export interface ReceivedMessage {
  readonly body: Uint8Array;
  readonly headers: Headers;
  /** Instant of `Date.now()` at which its deadline began, where something was done with it before it is judged. */
  readonly begunAt?: number;
}

/**
 * Rows that are blocked while others of the same request are not.
 * @returns undefined where there are none to cut, or none would be left
 */
export function rowsToCut({ rows }: Pick<Verdict, 'rows'>): number[] | undefined {
  const blocked = rows.filter(({ verdict }) => verdict === 'block').map(({ row }) => row);
  return blocked.length === 0 || blocked.length === rows.length ? undefined : blocked;
}

/**
 * Writes a request anew without some of its rows: what is left is, number by number, what was scored.
 * @param message a request that was scored
 * @param cut numbers of rows from 0, not all
 */
export function cutRequest({ model, body, headers }: InputMessage, cut: readonly number[]): ReceivedMessage {
  if (model.protocol === 'tensorflow-serving') {
    return rewritten(headers, { body: cutPredictRequest(body, cut), headers: {} });
  }
  const request = readInference({ body, headers });
  const binary = headers.has(headerLengthHeader);
  const inputs = request.inputs.map((input) => withoutRows(input, cut));
  return rewritten(headers, writeRequest(request, inputs, { binary }));
}

/**
 * Marks an answer whose request was cut. Only what says so is added: the rest of it is passed on byte for byte. An answer that is
 * no message of the protocol, such as an error, gets the header alone.
 * @throws GuardError `upstream_unreachable` where it is larger than can be marked, or breaks off; `upstream_timeout` where it stands still
 */
export async function markCut(
  answer: Response,
  { cut, protocol }: { readonly cut: readonly number[]; readonly protocol: UpstreamProtocol },
): Promise<Response> {
  const places = cut.join(',');
  const headers = new Headers(answer.headers);
  headers.set(rowsCut.header, places);
  const { status, statusText } = answer;
  if (status !== 200) return new Response(answer.body, { status, statusText, headers });
  const bytes = await readAnswer(answer);
  const added: AddedMember =
    protocol === 'open-inference'
      ? { inside: 'parameters', name: rowsCut.parameter, value: places }
      : { name: rowsCut.parameter, value: places };
  const head = headLength(headers, bytes);
  const marked = attempt(() => addMember(bytes.subarray(0, head), added));
  if (marked === undefined) return new Response(bytes, { status, statusText, headers });
  for (const name of bytesHeaders) headers.delete(name);
  if (headers.has(headerLengthHeader)) headers.set(headerLengthHeader, String(marked.length));
  const whole = new Uint8Array(marked.length + bytes.length - head);
  whole.set(marked);
  whole.set(bytes.subarray(head), marked.length);
  return new Response(whole, { status, statusText, headers });
}

function withoutRows(input: NamedTensor, cut: readonly number[]): NamedTensor {
  const [rows, ...rowShape] = input.shape;
  const size = elementCount(rowShape);
  const kept = Array.from({ length: rows }, (_, row) => row).filter((row) => !cut.includes(row));
  const data = new Float32Array(kept.length * size);
  for (const [place, row] of kept.entries()) {
    data.set((input.data as Float32Array).subarray(row * size, (row + 1) * size), place * size);
  }
  return { ...input, shape: [kept.length, ...rowShape], data };
}

/** The headers of a request with those by which another body is read. */
export function rewritten(received: Headers, message: OipMessage): ReceivedMessage {
  const headers = new Headers(received);
  for (const name of [...bytesHeaders, headerLengthHeader, 'content-encoding']) headers.delete(name);
  for (const [name, value] of Object.entries(message.headers)) headers.set(name, value);
  return { body: message.body, headers };
}

async function readAnswer(answer: Response): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await readBounded(answer.body, { bytesMax: cutAnswerBytesMax }).catch((cause: unknown) => {
    // One that stood still says so itself.
    if (cause instanceof GuardError) throw cause;
    throw new GuardError('upstream_unreachable', 'the answer of the protected model broke off', { cause });
  });
  if (bytes !== undefined) return bytes as Uint8Array<ArrayBuffer>;
  const detail = `the answer to a request that was cut has more than ${cutAnswerBytesMax} bytes`;
  throw new GuardError('upstream_unreachable', detail);
}

/** Bytes of the JSON part of an answer. */
function headLength(headers: Headers, bytes: Uint8Array): number {
  const said = headers.get(headerLengthHeader);
  return said !== null && /^\d{1,9}$/.test(said) ? Math.min(Number(said), bytes.length) : bytes.length;
}

/** What an answer of the upstream does not allow is left undone: the header says the same. */
function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

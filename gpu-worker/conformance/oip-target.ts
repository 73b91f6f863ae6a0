// A server under test: calls to its routes, and a note of every inference that it answered.
import { createHash } from 'node:crypto';
import { headerLengthHeader } from '../../shared/contracts/inference.ts';
import type { OipMessage } from '../../shared/oip/write-message.ts';

/** Bytes of an answer; a server under test may be anybody's. */
const answerBytesMax = 64 * 1024 * 1024;

/** Which server, and which of its models. */
export interface TargetOptions {
  readonly url: URL;
  readonly model: string;
  readonly version: string | undefined;
  /** Bearer token. */
  readonly token: string | undefined;
  /** Longest wait for one answer, in milliseconds. */
  readonly timeoutMs: number;
}

/** An answer with its body read. */
export interface OipAnswer {
  readonly status: number;
  readonly contentType: string;
  /** Of the binary extension, where the answer has it. */
  readonly headerLength: string | null;
  readonly bytes: Uint8Array;
  text(): string;
  /** Its JSON; null where it holds none. */
  json(): unknown;
}

/** What is sent with an inference. */
export interface InferOptions {
  /** Version in place of none. */
  readonly version?: string;
  /** Model in place of the one under test. */
  readonly model?: string;
  /** Whether the body is sent in chunks, with no length said before. */
  readonly chunked?: boolean;
}

/** A server under test. */
export interface OipTarget {
  readonly model: string;
  readonly version: string | undefined;
  /** Digests of the inferences that were answered with 200 since they were last taken. */
  takeAnswers(): string[];
  /** Asks for a path below the server's address. */
  get(path: string): Promise<OipAnswer>;
  infer(
    message: Pick<OipMessage, 'headers'> & { readonly body: Uint8Array },
    options?: InferOptions,
  ): Promise<OipAnswer>;
}

/** Makes the target. */
export function oipTarget({ url, model, version, token, timeoutMs }: TargetOptions): OipTarget {
  const folder = url.pathname.endsWith('/') ? url : new URL(`${url.href}/`);
  const answers: string[] = [];
  const call = async (path: string, init: RequestInit = {}): Promise<OipAnswer> => {
    const headers = new Headers(init.headers);
    if (token !== undefined) headers.set('authorization', `Bearer ${token}`);
    const signal = AbortSignal.timeout(timeoutMs);
    const response = await fetch(new URL(path, folder), { ...init, headers, redirect: 'manual', signal });
    return readAnswer(response);
  };
  return {
    model,
    version,
    takeAnswers: () => answers.splice(0),
    get: (path) => call(path),
    async infer({ body, headers }, { chunked = false, ...asked } = {}) {
      const path = `${modelPath(asked.model ?? model, asked.version)}/infer`;
      const sent = chunked ? inChunks(body) : (body as Uint8Array<ArrayBuffer>);
      const init = { method: 'POST', headers, body: sent, ...(chunked ? { duplex: 'half' } : {}) };
      const answer = await call(path, init as RequestInit);
      if (answer.status === 200) answers.push(digestOf(answer));
      return answer;
    },
  };
}

/** Path of a model, with or without a version. */
export function modelPath(model: string, version?: string): string {
  const path = `v2/models/${encodeURIComponent(model)}`;
  return version === undefined ? path : `${path}/versions/${encodeURIComponent(version)}`;
}

async function readAnswer(response: Response): Promise<OipAnswer> {
  const bytes = await readAtMost(response, answerBytesMax);
  const text = () => new TextDecoder().decode(bytes);
  return {
    status: response.status,
    contentType: response.headers.get('content-type') ?? '',
    headerLength: response.headers.get(headerLengthHeader),
    bytes,
    text,
    json() {
      try {
        return JSON.parse(text());
      } catch {
        return null;
      }
    },
  };
}

/** Reads a body, and gives up on one that does not come to an end within its bound. */
async function readAtMost({ body }: Response, bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body ?? []) {
    length += chunk.length;
    if (length > bytesMax) throw new Error(`the answer has more than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Everything of an answer that a client of the protocol reads. */
function digestOf({ contentType, headerLength, bytes }: OipAnswer): string {
  return createHash('sha256').update(`${contentType}\n${headerLength}\n`).update(bytes).digest('hex');
}

function inChunks(body: Uint8Array): ReadableStream<Uint8Array> {
  const middle = Math.ceil(body.length / 2);
  return new ReadableStream({
    start(controller) {
      for (const part of [body.subarray(0, middle), body.subarray(middle)]) {
        if (part.length > 0) controller.enqueue(part);
      }
      controller.close();
    },
  });
}

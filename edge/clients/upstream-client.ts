// Forwards requests to the protected model: the client's bytes as they came, the model's answer as it comes.
import { headerLengthHeader } from '../../shared/contracts/inference.ts';
import { GuardError } from '../../shared/errors.ts';
import { log } from '../../shared/log.ts';
import type { FetcherBinding } from '../bindings.ts';
import { boundAnswer } from './bound-answer.ts';
import { type Attempt, type Neighbour, neighbour } from './neighbour.ts';
import { sendTrace, type TraceContext, traceHeaders } from './trace-context.ts';

/** Headers that belong to one connection (RFC 9110, section 7.6.1) or that the next request sets anew. */
const connectionHeaders = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/**
 * Headers by which a body is read. The client's `Connection` may not name them: a request would reach the upstream without what
 * it was scored by.
 */
const bodyHeaders = new Set(['content-type', 'content-length', 'content-encoding', headerLengthHeader]);

/** Trust headers, which only the guard itself may set. */
const trustHeaders = /^x-guard-/;
/** Trust headers, and those by which some servers take a request for one of another method or path than it was guarded as. */
const requestTrustHeaders =
  /^x-(guard-.*|http-method|http-method-override|method-override|original-url|rewrite-url|envoy-.*)$/;

/** A request to forward. */
export interface ForwardCall {
  readonly method: 'GET' | 'POST';
  /** Path under the upstream's address, already encoded, such as `v2/models/m/infer`. */
  readonly path: string;
  /** Query with its question mark, or empty. */
  readonly search: string;
  readonly headers: Headers;
  readonly body: Uint8Array | undefined;
  readonly requestId: string;
  readonly trace: TraceContext;
  /** What the guard itself tells the upstream, by headers that no client can send. */
  readonly guardHeaders?: Readonly<Record<string, string>> | undefined;
}

/** The protected model's own server. */
export interface UpstreamClient {
  /**
   * Forwards one request.
   * @returns the upstream's answer with its status, whatever it is; its body may still be on its way, see `boundAnswer`
   * @throws GuardError `upstream_unreachable` or `upstream_timeout`
   */
  forward(call: ForwardCall): Promise<Response>;
}

/** Which upstream, and with which credentials. */
export interface UpstreamOptions {
  readonly url: URL;
  /** Bearer token of the upstream; takes the place of the caller's own. */
  readonly token: string | undefined;
  /** Whether callers may speak to the upstream with credentials of their own: not where these are the guard's. */
  readonly passCredentials: boolean;
  /** Time until an answer begins, until a short one is there, and between the bytes of a long one. */
  readonly timeoutMs: number;
  /** Told of each answer that stood still after it had begun. */
  readonly onIdle?: () => void;
  /** What is asked in place of the network. */
  readonly fetcher?: FetcherBinding | undefined;
  /** Its circuit breaker and its retries. */
  readonly server?: Neighbour;
}

/** Makes the client of one upstream. */
export function upstreamClient({
  url,
  token,
  passCredentials,
  timeoutMs,
  onIdle = () => undefined,
  fetcher = globalThis,
  server = neighbour({ name: 'the protected model' }),
}: UpstreamOptions): UpstreamClient {
  const base = url.href.replace(/\/$/, '');
  const idle = (requestId: string) => {
    onIdle();
    log('warn', 'upstream.idle', { request_id: requestId, timeout_ms: timeoutMs });
  };
  return {
    async forward({ method, path, search, headers, body, requestId, trace, guardHeaders }) {
      const call = new AbortController();
      const { signal } = call;
      // Not a signal with a time of its own: it would end a long answer in the middle, whose bounds are others.
      const timer = setTimeout(() => call.abort(), timeoutMs);
      const attempt = async (): Promise<Attempt<Response>> => {
        const init: RequestInit = {
          method,
          headers: forwardedHeaders(headers, { token, passCredentials, requestId, trace, guardHeaders }),
          redirect: 'manual',
          signal,
          ...(body === undefined ? {} : { body: body as Uint8Array<ArrayBuffer> }),
        };
        try {
          const answer = await fetcher.fetch(`${base}/${path}${search}`, init);
          const body = await boundAnswer(answer, { idleMs: timeoutMs, onIdle: () => idle(requestId) });
          const { status, statusText } = answer;
          // Whatever it answers is its own: an error too says that it is there.
          return {
            outcome: 'answered',
            answer: new Response(body, {
              status,
              statusText,
              headers: withoutConnection(answer.headers, trustHeaders),
            }),
          };
        } catch (cause) {
          if (signal.aborted) {
            const error = new GuardError('upstream_timeout', `no answer within ${timeoutMs} ms`, { cause });
            return { outcome: 'failed', error, retry: false };
          }
          const error = new GuardError('upstream_unreachable', 'the protected model cannot be reached', {
            cause,
          });
          // The runtime tells a connection that was never made from one that broke off by nothing: an inference, which may
          // have been made and may change the model's state, is not asked for twice.
          return { outcome: 'failed', error, retry: method === 'GET' };
        }
      };
      try {
        return await server.ask(attempt, Date.now() + timeoutMs);
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

function forwardedHeaders(
  received: Headers,
  {
    token,
    passCredentials,
    requestId,
    trace,
    guardHeaders = {},
  }: Pick<UpstreamOptions, 'token' | 'passCredentials'> &
    Pick<ForwardCall, 'requestId' | 'trace' | 'guardHeaders'>,
): Headers {
  const headers = withoutConnection(received, requestTrustHeaders);
  if (!passCredentials) headers.delete('authorization');
  headers.delete('host');
  headers.delete('content-length');
  if (token !== undefined) headers.set('authorization', `Bearer ${token}`);
  headers.set('x-request-id', requestId);
  // The caller's own are replaced, so that what is not valid goes no further.
  headers.delete(traceHeaders.state);
  for (const [name, value] of Object.entries(sendTrace(trace))) headers.set(name, value);
  // An answer that is compressed on the way would have to be unpacked here.
  headers.set('accept-encoding', 'identity');
  for (const [name, value] of Object.entries(guardHeaders)) headers.set(name, value);
  return headers;
}

/**
 * Copies headers without those of the connection and of a kind. They are copied by the platform and then taken out: appending
 * them one by one took longer than anything else that the guard does in mode off.
 */
function withoutConnection(received: Headers, dropped: RegExp): Headers {
  const named = received.get('connection')?.split(',') ?? [];
  // Only headers that are there are taken out, so what is named need not be the name of one.
  const own = new Set(
    named.map((name) => name.trim().toLowerCase()).filter((name) => !bodyHeaders.has(name)),
  );
  const headers = new Headers(received);
  for (const name of received.keys()) {
    if (connectionHeaders.has(name) || own.has(name) || dropped.test(name)) headers.delete(name);
  }
  return headers;
}

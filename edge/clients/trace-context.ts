// W3C Trace Context: a caller's trace is continued by a span of the guard, and where there is none a new one is begun.

/** One request's place in a trace, as the guard passes it on. */
export interface TraceContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** The guard's own span: the parent of whatever the upstream and the gpu-worker do for the request. */
  readonly spanId: string;
  /** Two hexadecimal digits: the caller's flags as far as version 00 knows them, `00` for a trace that begins here. */
  readonly flags: string;
  /** What tracing systems keep beside the trace, passed on as it came; undefined where none came or its trace was not valid. */
  readonly state: string | undefined;
}

/** Names of the two headers (Trace Context, section 3.2 and 3.3). */
export const traceHeaders = { parent: 'traceparent', state: 'tracestate' } as const;

/** Sampled, and of level 2 that the id is random: other bits are set to zero (section 3.2.2.5). */
const knownFlags = 0x03;
/** What can stand in a log and in a header whatever reads it. */
const plainRequestId = /^[\w\-=]{1,128}$/;
/** What is passed on of a tracestate: the specification asks for 512 characters at least, headers have far more room. */
const stateCharactersMax = 8_192;

/**
 * The trace that a request belongs to. A `traceparent` that is not valid begins a new trace, and its `tracestate` is dropped.
 * @see W3C Trace Context, section 3.2 (traceparent) and 4.3 (a model for working on both headers)
 */
export function receiveTrace(headers: Headers): TraceContext {
  const parent = parseTraceparent(headers.get(traceHeaders.parent));
  const spanId = randomHex(16);
  if (parent === undefined) return { traceId: randomHex(32), spanId, flags: '00', state: undefined };
  const state = headers.get(traceHeaders.state) ?? '';
  return { ...parent, spanId, state: state === '' || state.length > stateCharactersMax ? undefined : state };
}

/** The id by which a request is found in every log: the caller's own where it is a plain one, else a new one. */
export function receiveRequestId(headers: Headers): string {
  const received = headers.get('x-request-id');
  return received !== null && plainRequestId.test(received) ? received : crypto.randomUUID();
}

/** The headers that carry a trace on. */
export function sendTrace({ traceId, spanId, flags, state }: TraceContext): Record<string, string> {
  return {
    [traceHeaders.parent]: `00-${traceId}-${spanId}-${flags}`,
    ...(state !== undefined && { [traceHeaders.state]: state }),
  };
}

/** A later version may have more behind its flags; what version 00 knows is read of it. */
function parseTraceparent(text: string | null): Pick<TraceContext, 'traceId' | 'flags'> | undefined {
  const match = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(text ?? '');
  if (match === null) return undefined;
  const [, version, traceId, parentId, flags, rest] = match;
  const isNone = /^0+$/.test(traceId) || /^0+$/.test(parentId);
  if (isNone || version === 'ff' || (version === '00' && rest !== undefined)) return undefined;
  const kept = Number.parseInt(flags, 16) & knownFlags;
  return { traceId, flags: kept.toString(16).padStart(2, '0') };
}

/** Digits of a random UUID, of which some are never zero: one native call, where making them of bytes took twenty times as long. */
function randomHex(digits: 16 | 32): string {
  return crypto.randomUUID().replaceAll('-', '').slice(-digits);
}

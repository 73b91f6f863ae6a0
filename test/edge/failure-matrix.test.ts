// Every class of failure in every mode under both outcomes of a policy: what the client, the upstream, the counters and the audit see.
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { extractionParameters } from '../../shared/contracts/extraction.ts';
import {
  closedFailureClasses,
  defaultPolicy,
  type FailureOutcome,
  failureOutcomes,
} from '../../shared/contracts/policy.ts';
import {
  type FailureClass,
  failureClasses,
  type GuardMode,
  guardModes,
  type VerdictKind,
  verdictSchema,
} from '../../shared/contracts/verdict.ts';
import { bodyBytesMax } from '../../shared/limits.ts';
import { problemSchema } from '../../shared/problem-response.ts';
import { answerHonestly } from '../helpers/canned-extractor.ts';
import {
  apiToken,
  guardedEdge,
  jsonBody,
  resetFixtures,
  restlessInput,
  upstreamBody,
} from '../helpers/guarded-edge.ts';

const guarded = guardedEdge({
  bindings: { GUARD_TIMEOUT_MS: '10000', UPSTREAM_TIMEOUT_MS: '2000' },
  frontModule: readFileSync(new URL('../fixtures/faulty-key.js', import.meta.url), 'utf8'),
});

/** What a failure comes to. */
interface Cell {
  /** Null where the client has gone away and reads no answer. */
  readonly status: number | null;
  /** Of the problem; also the reason under which the refusal is counted. */
  readonly code: string | null;
  readonly retryAfter: string | null;
  /** Whether the upstream is called. */
  readonly forwarded: boolean;
  /** Header x-guard-verdict of the answer. */
  readonly told: VerdictKind | null;
  /** Whether the upstream, and nobody else, reads that a failure was allowed. */
  readonly marked: boolean;
  /** Label `policy_outcome` under which the failure is counted. */
  readonly counted: 'blocked' | 'allowed' | null;
  readonly audited: { readonly verdict: VerdictKind; readonly enforced: boolean } | null;
}
type Row = Readonly<Record<GuardMode, Readonly<Record<FailureOutcome, Cell>>>>;
interface Refusal {
  readonly status: number | null;
  readonly code: string;
  readonly verdict: VerdictKind;
  readonly retryAfter?: string | null;
}

const both = (cell: Cell) => ({ refuse: cell, pass: cell });
/** Nothing is judged, so nothing fails. */
const untouched: Cell = {
  status: 200,
  code: null,
  retryAfter: null,
  forwarded: true,
  told: null,
  marked: false,
  counted: null,
  audited: null,
};
/** The client's answer is the model's. */
const watched = (verdict: VerdictKind): Cell => {
  return { ...untouched, counted: 'allowed', audited: { verdict, enforced: false } };
};
const refused = ({ status, code, verdict, retryAfter = null }: Refusal): Cell => ({
  ...untouched,
  status,
  code,
  retryAfter,
  forwarded: false,
  told: status === null ? null : verdict,
  counted: 'blocked',
  audited: { verdict, enforced: true },
});
/** A failure that the policy lets pass: forwarded, and never a clean pass. */
const passed = (verdict: VerdictKind): Cell => ({ ...watched(verdict), told: verdict, marked: true });
/** A failure of which a policy may say what becomes of it. */
const chosen = (refusal: Refusal): Row => ({
  off: both(untouched),
  shadow: both(watched(refusal.verdict)),
  enforce: { refuse: refused(refusal), pass: passed(refusal.verdict) },
});
/** A failure after which there is no request that could be forwarded, in whatever mode. */
const unforwardable = (refusal: Refusal): Row => ({
  off: both({ ...refused(refusal), told: null, counted: null, audited: null }),
  shadow: both({ ...refused(refusal), told: null }),
  enforce: both(refused(refusal)),
});

const matrix: Readonly<Record<FailureClass, Row>> = {
  timeout: chosen({ status: 504, code: 'deadline_exceeded', verdict: 'error' }),
  overload: chosen({ status: 503, code: 'overloaded', verdict: 'error', retryAfter: '7' }),
  worker_unreachable: chosen({ status: 503, code: 'extractor_unreachable', verdict: 'error' }),
  worker_auth: {
    off: both(untouched),
    shadow: both(watched('error')),
    enforce: both(refused({ status: 503, code: 'extractor_unauthorized', verdict: 'error' })),
  },
  bad_worker_reply: chosen({ status: 502, code: 'bad_extractor_reply', verdict: 'error' }),
  no_detector: chosen({ status: 503, code: 'detector_unavailable', verdict: 'error' }),
  unsupported_input: chosen({ status: 400, code: 'malformed_request', verdict: 'not_scored' }),
  body_too_large: unforwardable({ status: 413, code: 'body_too_large', verdict: 'not_scored' }),
  client_cancel: unforwardable({ status: null, code: 'client_cancelled', verdict: 'not_scored' }),
  query_check: chosen({
    status: 503,
    code: 'query_check_unavailable',
    verdict: 'error',
    retryAfter: '1',
  }),
  internal: chosen({ status: 500, code: 'internal', verdict: 'error' }),
};

/** Brings a failure about. */
const causes: Readonly<Record<FailureClass, () => unknown>> = {
  timeout: neverAnswer,
  overload: () => answerStatus(503, { 'retry-after': '7' }),
  worker_unreachable: () => guarded.extractor.die(),
  worker_auth: () => answerStatus(401),
  bad_worker_reply: () => {
    guarded.extractor.behaviour = (_request, response) => response.writeHead(200).end('<html>ok</html>');
  },
  no_detector: () => {
    guarded.extractor.behaviour = answerHonestly(guarded.canned, (canned) => {
      const modelDigest = `sha256:${'b'.repeat(64)}`;
      canned.parameters = { ...canned.parameters, [extractionParameters.modelDigest]: modelDigest };
    });
  },
  unsupported_input: () => undefined,
  body_too_large: () => undefined,
  client_cancel: neverAnswer,
  query_check: () => lose({ queries: true }),
  internal: () => lose({ key: true }),
};

const cells = failureClasses.flatMap((failure) =>
  guardModes.flatMap((mode) => failureOutcomes.map((outcome) => ({ failure, mode, outcome }))),
);
const isClosed = (failure: FailureClass) => (closedFailureClasses as readonly string[]).includes(failure);

it('has a cell for every class, mode and outcome, and no other', () => {
  const written = Object.entries(matrix).flatMap(([failure, modes]) =>
    Object.entries(modes).flatMap(([mode, outcomes]) =>
      Object.keys(outcomes).map((outcome) => `${failure} ${mode} ${outcome}`),
    ),
  );
  const product = cells.map(({ failure, mode, outcome }) => `${failure} ${mode} ${outcome}`);
  expect(product).toHaveLength(failureClasses.length * guardModes.length * failureOutcomes.length);
  expect(new Set(written)).toEqual(new Set(product));
  expect(written).toHaveLength(product.length);
});

it.each(closedFailureClasses)('takes no policy that would let %s pass', async (failure) => {
  const policy = { mode: 'enforce', failures: { [failure]: 'pass' } };
  const answer = await guarded.call('/v1/policies/enforce', { method: 'PUT', body: JSON.stringify(policy) });
  expect(answer.status).toBe(400);
});

describe.each(failureOutcomes)('failures that the policy says to %s', (outcome) => {
  beforeAll(async () => {
    resetFixtures(guarded);
    const failures = Object.fromEntries(
      failureClasses.map((failure) => [failure, isClosed(failure) ? 'refuse' : outcome]),
    );
    for (const mode of guardModes) {
      // Every model begins in its mode: what is published differs from the configuration in the failures alone,
      // and in asking for all that can fail.
      const queries = { matches_min: 100, window_s: 60, action: 'block' };
      const policy = { ...defaultPolicy(mode), failures, timeout_ms: 1_500, queries };
      const path = `/v1/policies/${mode}`;
      const put = await guarded.call(path, { method: 'PUT', body: JSON.stringify(policy) });
      expect(put.status).toBe(200);
      expect((await guarded.call(`${path}/versions`, { method: 'POST' })).status).toBe(201);
    }
    // The detector Worker starts before anything is timed.
    expect((await guarded.infer('enforce', jsonBody(), { 'x-request-id': `warm-${outcome}` })).status).toBe(
      200,
    );
  }, 180_000);

  beforeEach(async () => {
    await lose({ key: false, queries: false });
    resetFixtures(guarded);
  });

  it.each(cells.filter((cell) => cell.outcome === outcome))(
    '$failure in mode $mode',
    async (place) => {
      const { failure, mode } = place;
      const cell = matrix[failure][mode][outcome];
      const requestId = `${failure}-${mode}-${outcome}`;
      const before = await counters();
      await causes[failure]();
      const answer = await request(place, requestId);
      const counted =
        cell.counted && `guard_failures_total{class="${failure}",policy_outcome="${cell.counted}"}`;
      const rejected = cell.code && `guard_rejected_total{reason="${cell.code}"}`;
      const expected = [counted, rejected].filter((name) => name !== null);
      await expect
        .poll(async () => changes(before, await counters()), { timeout: 8_000 })
        .toEqual(Object.fromEntries(expected.map((name) => [name, 1])));
      if (failure === 'worker_unreachable') await guarded.extractor.revive();
      if (answer !== undefined) {
        expect(answer.status).toBe(cell.status);
        expect(answer.headers.get('retry-after')).toBe(cell.retryAfter);
        expect(answer.headers.get('x-guard-mode')).toBe(mode);
        expect(answer.headers.get('x-guard-verdict')).toBe(cell.told);
        expect(answer.headers.get('x-guard-failure-mode-allowed')).toBeNull();
        const bytes = Buffer.from(await answer.arrayBuffer());
        if (cell.code === null) expect(bytes).toEqual(upstreamBody);
        else expect(problemSchema.parse(JSON.parse(bytes.toString())).code).toBe(cell.code);
      }
      const { received } = guarded.upstream;
      expect(received).toHaveLength(cell.forwarded ? 1 : 0);
      if (cell.forwarded) {
        const told = Object.entries(received[0].headers).filter(([name]) => name.startsWith('x-guard-'));
        expect(told).toEqual(cell.marked ? [['x-guard-failure-mode-allowed', 'true']] : []);
      }
      await expectAudited(place, { cell, requestId });
    },
    20_000,
  );

  it('are none where a client goes away from mode shadow, which judges what was forwarded', async () => {
    guarded.upstream.behaviour = () => {};
    const requestId = `gone-${outcome}`;
    const gone = new AbortController();
    const sent = fetch(new URL('/v2/models/shadow/infer', guarded.edge.url), {
      method: 'POST',
      body: jsonBody([restlessInput]),
      signal: gone.signal,
      headers: {
        'x-request-id': requestId,
        authorization: `Bearer ${apiToken}`,
        'content-type': 'application/json',
      },
    }).catch(() => undefined);
    await expect.poll(() => guarded.upstream.received.length, { timeout: 8_000 }).toBe(1);
    gone.abort();
    await sent;
    const sql = 'SELECT verdict, failure FROM verdicts WHERE request_id = ?';
    const rows = async () => (await guarded.edge.storage.run({ sql, values: [requestId] }))[0];
    await expect.poll(rows, { timeout: 8_000 }).toEqual([{ verdict: 'block', failure: null }]);
  }, 20_000);

  it('are no way around a model whose input is judged', async () => {
    const answer = await guarded.infer('enforce', jsonBody([restlessInput]));
    expect(answer.status).toBe(403);
    expect(guarded.upstream.received).toEqual([]);
  });
});

interface Place {
  readonly failure: FailureClass;
  readonly mode: GuardMode;
}

async function expectAudited(
  { failure, mode }: Place,
  { cell, requestId }: { cell: Cell; requestId: string },
): Promise<void> {
  const rowsOf = async () => {
    const sql = 'SELECT mode, verdict, enforced, failure, principal, body FROM verdicts WHERE request_id = ?';
    const [rows] = await guarded.edge.storage.run<Record<string, string>>({ sql, values: [requestId] });
    return rows;
  };
  if (cell.audited === null) return expect(await rowsOf()).toEqual([]);
  await expect.poll(rowsOf, { timeout: 8_000 }).toHaveLength(1);
  const [{ body, ...row }] = await rowsOf();
  const { verdict, enforced } = cell.audited;
  expect(row).toEqual({ mode, verdict, enforced: enforced ? 1 : 0, failure, principal: 'api-token' });
  expect(verdictSchema.parse(JSON.parse(body))).toMatchObject({
    score: null,
    rows: [],
    reasons: [`failure.${failure}`],
    failure: { class: failure },
    policy: { id: mode },
  });
}

/** Sends the request that fails; no answer where its client goes away. */
async function request({ failure, mode }: Place, requestId: string): Promise<Response | undefined> {
  if (failure === 'client_cancel') return hangUp(mode, requestId);
  const body =
    failure === 'unsupported_input'
      ? '{'
      : failure === 'body_too_large'
        ? new Uint8Array(bodyBytesMax + 1)
        : jsonBody();
  return guarded.infer(mode, body, { 'x-request-id': requestId });
}

/** Goes away while the verdict is being made where it is waited for, else before the body has come. */
async function hangUp(mode: GuardMode, requestId: string): Promise<undefined> {
  const body = jsonBody();
  const sent = mode === 'enforce' ? body : body.slice(0, 20);
  const head = [
    `POST /v2/models/${mode}/infer HTTP/1.1`,
    'host: edge',
    `authorization: Bearer ${apiToken}`,
    'content-type: application/json',
    `content-length: ${body.length}`,
    `x-request-id: ${requestId}`,
  ].join('\r\n');
  const { port, hostname } = guarded.edge.url;
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  socket.write(`${head}\r\n\r\n${sent}`);
  if (mode === 'enforce') {
    await expect.poll(() => guarded.extractor.received.length, { timeout: 8_000 }).toBe(1);
  } else {
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  socket.resetAndDestroy();
  return undefined;
}

function neverAnswer(): void {
  guarded.extractor.behaviour = () => {};
}

function answerStatus(status: number, headers: Record<string, string> = {}): void {
  guarded.extractor.behaviour = (_request, response) => response.writeHead(status, headers).end('{}');
}

async function lose(faults: { readonly key?: boolean; readonly queries?: boolean }): Promise<void> {
  const answer = await guarded.call('/faults', { method: 'POST', body: JSON.stringify(faults) });
  expect(answer.status).toBe(204);
}

/** Counters of failures and refusals with their labels. */
async function counters(): Promise<Map<string, number>> {
  const text = await (await guarded.call('/metrics')).text();
  const lines = text.matchAll(/^(guard_(?:failures|rejected)_total\{[^}]*\}) (\d+)$/gm);
  return new Map(Array.from(lines, ([, name, value]) => [name, Number(value)]));
}

function changes(before: Map<string, number>, after: Map<string, number>): Record<string, number> {
  const changed = Array.from(after, ([name, value]) => [name, value - (before.get(name) ?? 0)] as const);
  return Object.fromEntries(changed.filter(([, difference]) => difference !== 0));
}

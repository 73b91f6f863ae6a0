// More than the guard can do: what is beyond its bounds is refused at once or left unjudged, and all that is taken ends in time.
import { beforeEach, describe, expect, it } from 'vitest';
import type { Verdict } from '../../shared/contracts/verdict.ts';
import { answerHonestly } from '../helpers/canned-extractor.ts';
import { guardedEdge, jsonBody, resetFixtures, restlessInput } from '../helpers/guarded-edge.ts';
import { auditRows, type Sent, sendLoad } from '../helpers/send-load.ts';

const guardTimeoutMs = 2_000;
/** Beside the deadline itself: two busy cores. */
const slackMs = 2_500;
const [verdictsMax, shadowMax] = [4, 3];
const guarded = guardedEdge({
  bindings: {
    GUARD_TIMEOUT_MS: String(guardTimeoutMs),
    PENDING_VERDICTS_MAX: String(verdictsMax),
    PENDING_SHADOW_MAX: String(shadowMax),
  },
});
beforeEach(async () => {
  resetFixtures(guarded);
  // The detector Worker is warm and nothing of an earlier test is under way any more.
  await guarded.call('/v2/health/ready');
  await expect.poll(pending, { timeout: 10_000 }).toBe(0);
});

const pending = async () => {
  const text = await (await guarded.call('/metrics')).text();
  return Number(/guard_pending_requests (\d+)/.exec(text)?.[1]);
};
const idsOf = (sent: readonly Sent[]) => sent.map(({ verdictId }) => verdictId);

/** A gpu-worker that keeps every request until it is told to answer. */
function holdExtractor(): { readonly held: () => number; readonly release: () => void } {
  const waiting: (() => void)[] = [];
  guarded.extractor.behaviour = (request, response) => {
    waiting.push(() => answerHonestly(guarded.canned)(request, response));
  };
  return {
    held: () => waiting.length,
    release() {
      guarded.extractor.behaviour = answerHonestly(guarded.canned);
      for (const answer of waiting) answer();
    },
  };
}

/** A gpu-worker that does one thing at a time, so that this is all the guard can do. */
function serveOneByOne(takesMs: number): void {
  let free = Promise.resolve();
  guarded.extractor.behaviour = (request, response) => {
    free = free.then(async () => {
      await new Promise((resolve) => setTimeout(resolve, takesMs));
      if (!response.destroyed) answerHonestly(guarded.canned)(request, response);
    });
  };
}

describe('verdicts that callers wait for', () => {
  it('beyond the bound are refused with 503 and Retry-After, and audited; those before it are given', async () => {
    const { held, release } = holdExtractor();
    const taken = sendLoad(guarded, { mode: 'enforce', count: verdictsMax });
    await expect.poll(held, { timeout: 1_500 }).toBe(verdictsMax);
    const shed = await sendLoad(guarded, { mode: 'enforce', count: 6 });
    const verdictOnly = await guarded.call('/v1/guard/verdicts?model=shadow', {
      method: 'POST',
      body: jsonBody(),
      headers: { 'content-type': 'application/json' },
    });
    release();
    expect(verdictOnly.status).toBe(503);
    for (const one of shed) {
      expect(one).toMatchObject({ status: 503, code: 'overloaded', retryAfter: '1', verdict: 'error' });
    }
    expect((await taken).map(({ status }) => status)).toEqual(Array(verdictsMax).fill(200));
    for (const row of await auditRows(guarded, idsOf(shed))) {
      expect(row).toMatchObject({ verdict: 'error', failure: 'overload', score: null });
    }
    expect(guarded.upstream.received.length).toBe(verdictsMax);
    // Places are free again.
    const after = await sendLoad(guarded, { mode: 'enforce', count: verdictsMax });
    expect(after.map(({ status }) => status)).toEqual(Array(verdictsMax).fill(200));
  });

  it('are shed at twice what the gpu-worker can do, none ends late, and all pass once the load is gone', async () => {
    serveOneByOne(60);
    const sent = await sendLoad(guarded, { mode: 'enforce', count: 120, connections: 2 * verdictsMax });
    const [passed, shed] = [200, 503].map((status) => sent.filter((one) => one.status === status));
    expect(passed.length + shed.length).toBe(sent.length);
    expect(passed.length).toBeGreaterThan(0);
    expect(shed.length).toBeGreaterThan(0);
    expect(Math.max(...sent.map(({ took }) => took))).toBeLessThan(guardTimeoutMs + slackMs);
    await auditRows(guarded, idsOf(sent));
    expect(guarded.upstream.received.length).toBe(passed.length);
    await expect.poll(pending, { timeout: 5_000 }).toBe(0);
    const after = await sendLoad(guarded, { mode: 'enforce', count: 20, connections: 2 });
    expect(new Set(after.map(({ status }) => status))).toEqual(new Set([200]));
  }, 180_000);
});

describe('verdicts of mode shadow', () => {
  it('beyond the bound are left out, audited as such, and no client notices', async () => {
    const { held, release } = holdExtractor();
    const taken = await sendLoad(guarded, { mode: 'shadow', count: shadowMax });
    await expect.poll(held, { timeout: 1_500 }).toBe(shadowMax);
    const shed = await sendLoad(guarded, { mode: 'shadow', count: 5, body: jsonBody([restlessInput]) });
    // Nor do they take a place from those that callers wait for.
    const enforced = sendLoad(guarded, { mode: 'enforce', count: verdictsMax });
    await expect.poll(held, { timeout: 1_500 }).toBe(shadowMax + verdictsMax);
    release();
    expect(new Set([...taken, ...shed].map(({ status }) => status))).toEqual(new Set([200]));
    expect((await enforced).map(({ status }) => status)).toEqual(Array(verdictsMax).fill(200));
    for (const row of await auditRows(guarded, idsOf(taken))) expect(row.verdict).toBe('allow');
    // There is no verdict that such a request could be found by: the audit says how many there were.
    expect(idsOf(shed)).toEqual(Array(5).fill(null));
    const leftOut = async () => {
      const answer = await guarded.call('/v1/verdicts?model=shadow&verdict=not_scored');
      const { verdicts } = (await answer.json()) as { verdicts: { verdict: Verdict }[] };
      return verdicts.map(({ verdict }) => verdict);
    };
    const count = async () => (await leftOut()).reduce((sum, { requests = 0 }) => sum + requests, 0);
    await expect.poll(count, { timeout: 5_000 }).toBe(5);
    for (const verdict of await leftOut()) {
      expect(verdict).toMatchObject({
        enforced: false,
        reasons: ['shadow.shed'],
        failure: { class: 'overload', code: 'overloaded' },
      });
    }
    const metrics = await (await guarded.call('/metrics')).text();
    expect(metrics).toContain('guard_requests_total{model="shadow",mode="shadow",verdict="not_scored"} 5');
    expect(metrics).toContain('guard_failures_total{class="overload",policy_outcome="allowed"} 5');
  });
});

describe('a client that says how long it waits', () => {
  const send = (headers: Record<string, string>, mode = 'enforce') =>
    guarded.infer(mode, jsonBody(), headers);

  it('gets 504 after that time, and its own haste is no failure of the guard that a policy could let pass', async () => {
    const { release } = holdExtractor();
    const startedAt = performance.now();
    const answer = await send({ 'x-guard-timeout-ms': '150' });
    const took = performance.now() - startedAt;
    release();
    expect(answer.status).toBe(504);
    expect(await answer.json()).toMatchObject({ code: 'client_deadline_exceeded' });
    expect(took).toBeGreaterThanOrEqual(140);
    expect(took).toBeLessThan(guardTimeoutMs);
    const verdict = await guarded.audited(answer.headers.get('x-guard-verdict-id'));
    expect(verdict).toMatchObject({ verdict: 'not_scored', enforced: true });
    expect(verdict.failure?.class).toBe('client_cancel');
  });

  it('has the gpu-worker told of it, and gets no more time than the guard has', async () => {
    await send({ 'x-guard-timeout-ms': '900' });
    await send({ 'x-guard-timeout-ms': '600000' });
    const times = guarded.extractor.received
      .filter(({ method }) => method === 'POST')
      .map(({ headers, body }) => {
        const length = Number(headers['inference-header-content-length']);
        return JSON.parse(body.subarray(0, length).toString()).parameters.timeout / 1_000;
      });
    expect(times[0]).toBeLessThanOrEqual(900);
    expect(times[0]).toBeGreaterThan(0);
    expect(times[1]).toBeLessThanOrEqual(guardTimeoutMs);
    expect(times[1]).toBeGreaterThan(900);
  });

  it('is refused where it says nonsense, and is not heeded in mode shadow', async () => {
    const answer = await send({ 'x-guard-timeout-ms': 'soon' });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({
      code: 'malformed_request',
      errors: [{ pointer: 'x-guard-timeout-ms' }],
    });
    for (const text of ['soon', '1']) {
      const shadow = await send({ 'x-guard-timeout-ms': text }, 'shadow');
      expect(shadow.status).toBe(200);
      const verdict = await guarded.audited(shadow.headers.get('x-guard-verdict-id'));
      expect(verdict.verdict).toBe('allow');
    }
    const forwarded = guarded.upstream.received.map(({ headers }) => headers['x-guard-timeout-ms']);
    expect(forwarded).toEqual([undefined, undefined]);
  });
});

// A gpu-worker and an upstream that fail in every way at once, request by request: what holds of each, and that they recover.
import { beforeEach, describe, expect, it } from 'vitest';
import { seededRandom } from '../../shared/maths/random.ts';
import { answerHonestly } from '../helpers/canned-extractor.ts';
import type { Behaviour } from '../helpers/fixture-server.ts';
import {
  guardedEdge,
  jsonBody,
  resetFixtures,
  restlessInput,
  upstreamAnswers,
} from '../helpers/guarded-edge.ts';
import { auditRows, type Sent, sendLoad } from '../helpers/send-load.ts';

const guardTimeoutMs = 800;
const upstreamTimeoutMs = 1_000;
/** Beside the deadlines themselves: two busy cores. */
const slackMs = 2_500;
const guarded = guardedEdge({
  bindings: {
    GUARD_TIMEOUT_MS: String(guardTimeoutMs),
    UPSTREAM_TIMEOUT_MS: String(upstreamTimeoutMs),
    BREAKER_CALLS_MIN: '20',
  },
});
beforeEach(async () => {
  resetFixtures(guarded);
  // A cold detector Worker keeps everything waiting while it starts.
  await guarded.call('/v2/health/ready');
});

const honest = (change?: Parameters<typeof answerHonestly>[1]): Behaviour => {
  return (request, response) => answerHonestly(guarded.canned, change)(request, response);
};

/** A body of so many bytes, one every 50 ms. */
function drip(bytes: number): Behaviour {
  return (_request, response) => {
    response.writeHead(200, { 'content-length': bytes });
    let left = bytes;
    const dripping = setInterval(() => {
      left--;
      if (left > 0) response.write('{');
      else response.end('}');
    }, 50);
    response.on('close', () => clearInterval(dripping));
  };
}

/** What a gpu-worker may do instead of its work. */
const workerFaults: readonly Behaviour[] = [
  honest(({ logits }) => logits.fill(Number.NaN)),
  honest(({ logits }) => {
    logits[3] = Number.NEGATIVE_INFINITY;
  }),
  honest((canned) => {
    canned.shape = [1, 10, 5];
  }),
  (_request, response) => void response.writeHead(200).end(Buffer.from([0xff, 0x00, 0xd8, 0x7b])),
  (_request, response) => void response.writeHead(500).end('{"error":"broken"}'),
  (_request, response) => void response.destroy(),
  (_request, response) => {
    response.writeHead(200, { 'content-length': 1000 }).write('{"model_name":"enforce"');
    setTimeout(() => response.destroy(), 10);
  },
  drip(1_000),
  () => {},
  (request, response) => void setTimeout(() => honest()(request, response), 2 * guardTimeoutMs),
];

const upstreamFaults: readonly Behaviour[] = [
  (_request, response) => void response.destroy(),
  () => {},
  (_request, response) => void response.writeHead(500).end('{"error":"broken"}'),
  (_request, response) => {
    response.writeHead(200, { 'content-length': 1000 }).write('{"outputs":');
    setTimeout(() => response.destroy(), 10);
  },
  drip(10),
];

/** Behaves well for a share of the requests and badly, in ways drawn by a seed, for the others. */
function flaky(usual: Behaviour, faults: readonly Behaviour[], share: number): Behaviour {
  const random = seededRandom(20_261_123);
  return (request, response) => {
    const behaviour = random() < share ? faults[Math.floor(random() * faults.length)] : usual;
    behaviour(request, response);
  };
}

const idsOf = (sent: readonly Sent[]) => sent.map(({ verdictId }) => verdictId);
const inTime = (sent: readonly Sent[], deadlineMs: number) =>
  // The upstream's body takes the time that it takes: models that stream their answers do so for long.
  expect(Math.max(...sent.map(({ began }) => began))).toBeLessThan(deadlineMs + slackMs);
const upstreamBreaker = async () => {
  const text = await (await guarded.call('/metrics')).text();
  return Number(/guard_breaker_state\{neighbour="upstream"\} (\d)/.exec(text)?.[1]);
};
/** Waits until requests pass, which the breaker alone may delay. */
const recovers = (mode: string) =>
  expect.poll(async () => (await guarded.infer(mode)).status, { timeout: 20_000, interval: 100 }).toBe(200);

describe('a gpu-worker that fails half of the time in every way', () => {
  it('never lets an input pass unscored, and loses no verdict', async () => {
    guarded.extractor.behaviour = flaky(honest(), workerFaults, 0.5);
    const calm = sendLoad(guarded, { mode: 'enforce', count: 120, connections: 12 });
    const restless = sendLoad(guarded, {
      mode: 'enforce',
      count: 40,
      connections: 4,
      body: jsonBody([restlessInput]),
    });
    const sent = [...(await calm), ...(await restless)];
    inTime(sent, guardTimeoutMs);
    const rows = new Map((await auditRows(guarded, idsOf(sent))).map((row) => [row.id, row]));
    for (const { status, code, verdict, verdictId } of sent) {
      const row = rows.get(verdictId!)!;
      expect(row.verdict).toBe(verdict);
      if (status === 200) expect(row).toMatchObject({ verdict: 'allow', score: expect.any(Number) });
      else if (code === 'blocked') expect(row.verdict).toBe('block');
      else expect(row).toMatchObject({ verdict: 'error', score: null, failure: expect.any(String) });
    }
    expect((await restless).filter(({ status }) => status === 200)).toEqual([]);
    expect(guarded.upstream.received.length).toBe(sent.filter(({ status }) => status === 200).length);
    guarded.extractor.behaviour = honest();
    await recovers('enforce');
  }, 180_000);

  it('changes nothing for the clients of mode shadow', async () => {
    guarded.extractor.behaviour = flaky(honest(), workerFaults, 0.5);
    const sent = await sendLoad(guarded, { mode: 'shadow', count: 40, connections: 4 });
    expect(new Set(sent.map(({ status, broken }) => `${status} ${broken}`))).toEqual(new Set(['200 false']));
    await auditRows(guarded, idsOf(sent));
    guarded.extractor.behaviour = honest();
    await recovers('enforce');
  }, 180_000);
});

describe('an upstream that fails half of the time in every way', () => {
  it.each(['shadow', 'enforce'])(
    'has every request of mode %s answered in time and audited',
    async (mode) => {
      guarded.upstream.behaviour = flaky(upstreamAnswers, upstreamFaults, 0.5);
      const sent = await sendLoad(guarded, { mode, count: 80, connections: 8 });
      inTime(sent, guardTimeoutMs + upstreamTimeoutMs);
      const rows = await auditRows(guarded, idsOf(sent));
      // What the guard says of an input has nothing to do with the upstream.
      expect(new Set(rows.map(({ verdict }) => verdict))).toEqual(new Set(['allow']));
      const own = sent.filter(({ code }) => code !== undefined);
      expect(own.length).toBeGreaterThan(0);
      expect(own.filter(({ code }) => !/^upstream_(unreachable|timeout)$/.test(code!))).toEqual([]);
      guarded.upstream.behaviour = upstreamAnswers;
      await recovers(mode);
    },
    180_000,
  );

  it('is not asked while its breaker is open, and a refusal says when to try again', async () => {
    guarded.upstream.behaviour = (_request, response) => void response.destroy();
    const failing = async () => {
      await sendLoad(guarded, { mode: 'off', count: 20, connections: 4 });
      return upstreamBreaker();
    };
    // What passed within the last ten seconds counts against it.
    await expect.poll(failing, { timeout: 20_000 }).toBe(2);
    guarded.upstream.received.length = 0;
    const sent = await sendLoad(guarded, { mode: 'off', count: 20, connections: 2 });
    expect(new Set(sent.map(({ status }) => status))).toEqual(new Set([502]));
    expect(guarded.upstream.received.length).toBeLessThanOrEqual(5);
    expect(sent.filter(({ retryAfter }) => retryAfter !== null).length).toBeGreaterThanOrEqual(15);
    guarded.upstream.behaviour = upstreamAnswers;
    await recovers('off');
    expect(await upstreamBreaker()).toBe(0);
  }, 180_000);
});

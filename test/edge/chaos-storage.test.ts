// D1 and R2 that fail or hang under the real Worker: nothing passes unscored, every request is answered, every verdict is kept.
import { readFileSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { guardedEdge, jsonBody, resetFixtures, restlessInput } from '../helpers/guarded-edge.ts';
import { auditRows, type Sent, sendLoad } from '../helpers/send-load.ts';

const guardTimeoutMs = 1_000;
/** Beside the deadline itself: two busy cores. */
const slackMs = 2_000;
const guarded = guardedEdge({
  bindings: { GUARD_TIMEOUT_MS: String(guardTimeoutMs) },
  frontModule: readFileSync(new URL('../fixtures/faulty-bindings.js', import.meta.url), 'utf8'),
});

type Fault = 'throw' | 'hang' | null;
const fail = async (faults: { DB?: Fault; ARTEFACTS?: Fault }) => {
  const answer = await guarded.call('/faults', { method: 'POST', body: JSON.stringify(faults) });
  expect(answer.status).toBe(204);
};
beforeEach(async () => {
  resetFixtures(guarded);
  await fail({ DB: null, ARTEFACTS: null });
});

const restless = jsonBody([restlessInput]);
const inTime = (sent: readonly Sent[]) =>
  expect(Math.max(...sent.map(({ took }) => took))).toBeLessThan(guardTimeoutMs + slackMs);
const statuses = (sent: readonly Sent[]) => [...new Set(sent.map(({ status }) => status))];

// First, since an isolate keeps the artefacts that it has read.
describe('the bucket of the artefacts', () => {
  it.each([
    ['throw', 503, 'detector_unavailable', 'no_detector'],
    ['hang', 504, 'deadline_exceeded', 'timeout'],
  ] as const)(
    'that is down (%s): every request refused in time, none lost, and well again after',
    async (...row) => {
      const [fault, status, code, failure] = row;
      await fail({ ARTEFACTS: fault });
      const sent = await sendLoad(guarded, { mode: 'enforce', count: 10 });
      expect(statuses(sent)).toEqual([status]);
      expect(new Set(sent.map((one) => one.code))).toEqual(new Set([code]));
      expect(guarded.upstream.received).toEqual([]);
      inTime(sent);
      const rows = await auditRows(
        guarded,
        sent.map(({ verdictId }) => verdictId),
      );
      for (const audited of rows) expect(audited).toMatchObject({ verdict: 'error', failure, score: null });
      const shadow = await sendLoad(guarded, { mode: 'shadow', count: 3 });
      expect(statuses(shadow)).toEqual([200]);
      await fail({ ARTEFACTS: null });
    },
  );

  it('that is back gives verdicts again', async () => {
    await expect.poll(async () => (await guarded.infer('enforce')).status, { timeout: 10_000 }).toBe(200);
    expect(statuses(await sendLoad(guarded, { mode: 'enforce', count: 3, body: restless }))).toEqual([403]);
  });
});

describe('the audit’s database', () => {
  it.each(['throw', 'hang'] as const)(
    'that is down (%s) changes no answer, and the log has every verdict whole',
    async (fault) => {
      await sendLoad(guarded, { mode: 'enforce', count: 1 });
      await fail({ DB: fault });
      const calm = await sendLoad(guarded, { mode: 'enforce', count: 5 });
      const blocked = await sendLoad(guarded, { mode: 'enforce', count: 5, body: restless });
      const shadow = await sendLoad(guarded, { mode: 'shadow', count: 5 });
      expect([calm, blocked, shadow].map(statuses)).toEqual([[200], [403], [200]]);
      inTime([...calm, ...blocked, ...shadow]);
      const ids = [...calm, ...blocked, ...shadow].map(({ verdictId }) => verdictId!);
      await expect.poll(() => ids.filter((id) => !loggedWhole(id)), { timeout: 25_000 }).toEqual([]);
      await fail({ DB: null });
      const after = await sendLoad(guarded, { mode: 'enforce', count: 3 });
      await auditRows(
        guarded,
        after.map(({ verdictId }) => verdictId),
      );
    },
    180_000,
  );

  it('that fails for a moment loses nothing', async () => {
    await fail({ DB: 'throw' });
    const sending = sendLoad(guarded, { mode: 'enforce', count: 40, connections: 4 });
    await new Promise((resolve) => setTimeout(resolve, 60));
    await fail({ DB: null });
    const sent = await sending;
    expect(statuses(sent)).toEqual([200]);
    const ids = sent.map(({ verdictId }) => verdictId!);
    const sql = 'SELECT id FROM verdicts WHERE id IN (SELECT value FROM json_each(?))';
    await expect
      .poll(
        async () => {
          const [rows] = await guarded.edge.storage.run<{ id: string }>({
            sql,
            values: [JSON.stringify(ids)],
          });
          const kept = new Set(rows.map(({ id }) => id));
          return ids.filter((id) => !kept.has(id) && !loggedWhole(id));
        },
        { timeout: 20_000 },
      )
      .toEqual([]);
  }, 40_000);
});

/** Whether the log has a verdict with all that its audit entry would have. */
function loggedWhole(id: string): boolean {
  return guarded.logs.some((line) => {
    if (!line.includes('audit.failure') || !line.includes(id)) return false;
    const { entry } = JSON.parse(line) as { entry?: { verdict?: { id: string; verdict: string } } };
    return entry?.verdict?.id === id && entry.verdict.verdict !== undefined;
  });
}

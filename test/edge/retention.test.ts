// Retention: the cron deletes what is too old, all of it and nothing else, and the total is kept.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it, vi } from 'vitest';
import { keepAudit } from '../../edge/guard/keep-audit.ts';
import { startEdge } from '../../gpu-worker/demo/edge-runtime.ts';
import { loneEdge } from '../helpers/lone-edge.ts';

const options = loneEdge;

it('deletes verdicts that are older than the retention', async () => {
  const persistDir = await mkdtemp(path.join(tmpdir(), 'nccr-guard-'));
  const dayAgo = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString();
  const first = await startEdge({ ...options, persistDir });
  const insert = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
    INSERT INTO verdicts (id, at, request_id, request_digest, model, mode, verdict, enforced, body)
    SELECT ? || i, ?, 'r', 'd', 'm', 'shadow', 'allow', 0, '{}' FROM n`;
  await first.storage.run(
    { sql: insert, values: [1_200, 'old-', dayAgo(31)] },
    { sql: insert, values: [3, 'young-', dayAgo(29)] },
  );
  await first.stop();
  const bindings = { ...options.bindings, AUDIT_RETENTION_DAYS: '30' };
  const second = await startEdge({ ...options, bindings, persistDir });
  await vi.waitFor(
    async () => {
      const sql = 'SELECT id FROM verdicts ORDER BY id';
      const [rows] = await second.storage.run<{ id: string }>({ sql });
      expect(rows.map(({ id }) => id)).toEqual(['young-1', 'young-2', 'young-3']);
    },
    { timeout: 60_000, interval: 200 },
  );
  const [totals] = await second.storage.run({ sql: 'SELECT * FROM audit_totals' });
  expect(totals).toEqual([{ name: 'deleted', value: 1_200 }]);
  await second.stop();
  await rm(persistDir, { recursive: true });
}, 180_000);

it('stops after twenty batches, and goes on with the next run', async () => {
  const deleteBefore = vi.fn(async (_at: string, limit: number) => limit);
  expect(await keepAudit(30, { audit: { deleteBefore }, now: Date.UTC(2026, 0, 31) })).toBe(10_000);
  expect(deleteBefore).toHaveBeenCalledTimes(20);
  expect(deleteBefore).toHaveBeenLastCalledWith('2026-01-01T00:00:00.000Z', 500);
});

it('keeps everything where no retention is configured', async () => {
  const deleteBefore = vi.fn(async () => 0);
  expect(await keepAudit(undefined, { audit: { deleteBefore } })).toBe(0);
  expect(deleteBefore).not.toHaveBeenCalled();
});

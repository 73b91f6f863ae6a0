// The drift of a model's clean scores as operators read it, and the figures that all isolates share.
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { problemSchema } from '../../shared/problem-response.ts';
import { guardedEdge, resetFixtures } from '../helpers/guarded-edge.ts';

/** Clean scores of the calibration: even over -10 to 0, where the threshold lies. */
const quantiles = Array.from({ length: 101 }, (_, percent) => -10 + percent / 10);
const guarded = guardedEdge({
  detectors: {
    enforce: {
      spoil: ({ threshold }) => {
        threshold.clean_quantiles = quantiles;
      },
    },
  },
});
beforeEach(() => resetFixtures(guarded));

let template: string;
beforeAll(async () => {
  const answer = await guarded.infer('enforce');
  template = answer.headers.get('x-guard-verdict-id')!;
  await guarded.audited(template);
}, 180_000);

/** Writes verdicts of one row each, whose scores lie evenly from `low` to `high`, as of some minutes ago. */
async function written(
  count: number,
  { low, high, minutesAgo }: { low: number; high: number; minutesAgo: number },
): Promise<void> {
  const at = new Date(Date.now() - minutesAgo * 60_000).toISOString();
  const sql = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
    INSERT INTO verdicts (id, at, request_id, request_digest, model, mode, verdict, enforced, score, artefact, body)
    SELECT 'gv_' || ? || '-' || i, ?, 'r', 'd', model, mode, verdict, enforced, 0, artefact,
      json_set(body, '$.rows[0].score', ? + (i - 0.5) * (? - ?) / ?)
    FROM n, verdicts WHERE id = ?`;
  const values = [count, minutesAgo, at, low, high, low, count, template];
  await guarded.edge.storage.run({ sql, values });
}

interface Drift {
  readonly state: string;
  readonly rows: number;
  readonly index: number | null;
  readonly bound: number | null;
  readonly bins: readonly { readonly share: number; readonly expected: number }[];
}
async function drift(model: string): Promise<Drift> {
  const answer = await guarded.call(`/v1/models/${model}/drift`);
  expect(answer.status).toBe(200);
  return (await answer.json()) as Drift;
}

describe('GET /v1/models/{model}/drift', () => {
  it('says that there is no reference where the artefact keeps none', async () => {
    expect(await drift('shadow')).toMatchObject({ state: 'no_reference', rows: 0, index: null, bins: [] });
  });

  it('says nothing of fewer than a hundred rows', async () => {
    expect((await drift('enforce')).state).toBe('too_few');
  });

  it('is steady while scores lie as they lay, whatever attacks come beside them', async () => {
    await written(400, { low: -10, high: 0, minutesAgo: 60 });
    await written(300, { low: 3, high: 9, minutesAgo: 50 });
    const found = await drift('enforce');
    expect(found.state).toBe('steady');
    expect(found.rows).toBeGreaterThanOrEqual(400);
    expect(found.rows).toBeLessThan(410);
    expect(found.bins).toHaveLength(10);
    for (const { share } of found.bins) expect(share).toBeCloseTo(0.1, 1);
  });

  it('drifts once they have moved, and looks at the last thousand rows alone', async () => {
    await written(1_000, { low: -4, high: 0, minutesAgo: 10 });
    const found = await drift('enforce');
    expect(found.state).toBe('drifting');
    expect(found.index!).toBeGreaterThan(found.bound!);
    expect(found.bins[0].share).toBeLessThan(0.02);
  });

  it('knows its models', async () => {
    const answer = await guarded.call('/v1/models/unheard-of/drift');
    expect([answer.status, problemSchema.parse(await answer.json()).code]).toEqual([404, 'unknown_model']);
  });
});

describe('GET /metrics', () => {
  it('tells what all isolates share: drift, jobs by state and what retention has deleted', async () => {
    await guarded.edge.storage.run(
      { sql: "UPDATE score_drift SET stability_index = 0.31 WHERE model = 'enforce'" },
      {
        sql:
          "INSERT INTO score_drift VALUES ('enforce', '2026-01-01T00:00:00.000Z', NULL, 'drifting', 1000, 0.31, 0.1)" +
          ' ON CONFLICT (model) DO UPDATE SET stability_index = 0.31',
      },
      { sql: "INSERT INTO audit_totals VALUES ('deleted', 1200)" },
    );
    for (let scrape = 0; scrape < 2; scrape++) {
      const text = await (await guarded.call('/metrics')).text();
      expect(text).toContain('guard_score_drift{model="enforce"} 0.31');
      expect(text).toContain('guard_jobs{kind="screening",state="running"} 0');
      expect(text).toContain('guard_audit_deleted_total 1200');
      expect(text).toContain('guard_breaker_state{neighbour="gpu-worker"} 0');
    }
  });

  it('has every metric of the list, and labels of configured names and codes alone', async () => {
    await guarded.call('/v2/models/made-up-by-a-caller/infer', { method: 'POST', body: '{}' });
    await guarded.call('/a-path-that-a-caller-made-up');
    await guarded.call('/v2', { method: 'DELETE' });
    await guarded.call('/v2', { headers: { authorization: 'Bearer wrong' } });
    await guarded.infer('enforce', '{}');
    const text = await (await guarded.call('/metrics')).text();
    for (const name of [
      'guard_requests_total{model="enforce",mode="enforce",verdict="allow"}',
      'guard_failures_total{class="unsupported_input",policy_outcome="blocked"}',
      'guard_detection_duration_seconds_bucket{le="0.005",stage="total"}',
      'guard_pending_requests 0',
      'guard_rejected_total{reason="unknown_model"}',
      'guard_rejected_total{reason="not_found"}',
      'guard_rejected_total{reason="method_not_allowed"}',
      'guard_rejected_total{reason="unauthorized"}',
      'guard_breaker_state{',
      'guard_detector_info{',
      'guard_score_bucket{',
      'guard_jobs{',
      'guard_audit_failures_total 0',
      'guard_audit_retries_total 0',
    ]) {
      expect(text).toContain(name);
    }
    expect(text).not.toMatch(/made-(up|by)/);
  });
});

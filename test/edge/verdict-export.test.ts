// The audit for a collector: every line a finding by the schema, none twice and none left out wherever it broke off.
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type DetectionFinding, detectionFindingSchema } from '../../shared/contracts/ocsf.ts';
import { verdictSchema } from '../../shared/contracts/verdict.ts';
import { guardedEdge, jsonBody, resetFixtures, restlessInput } from '../helpers/guarded-edge.ts';

const guarded = guardedEdge();
beforeEach(() => resetFixtures(guarded));

async function exported(query: Record<string, string> = {}): Promise<DetectionFinding[]> {
  const answer = await guarded.call(`/v1/verdicts/export?${new URLSearchParams(query).toString()}`);
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toBe('application/x-ndjson');
  const text = await answer.text();
  expect(text === '' || text.endsWith('\n')).toBe(true);
  const lines = text.split('\n').slice(0, -1);
  return lines.map((line) => detectionFindingSchema.parse(JSON.parse(line)));
}
const uids = (findings: readonly DetectionFinding[]) => findings.map(({ metadata }) => metadata.uid);

/** Verdicts of every kind that the guard gives so far, by what is wanted of their lines. */
const wanted = [
  { mode: 'enforce', body: jsonBody(), kind: 'allow', outcome: [1, 1], severity: 1 },
  { mode: 'enforce', body: jsonBody([restlessInput]), kind: 'block', outcome: [2, 2], severity: 4 },
  { mode: 'shadow', body: jsonBody([restlessInput]), kind: 'block', outcome: [3, 15], severity: 4 },
  { mode: 'shadow', body: jsonBody(), kind: 'allow', outcome: [3, 17], severity: 1 },
  { mode: 'enforce', body: '{}', kind: 'not_scored', outcome: [2, 2], severity: 2 },
  { mode: 'shadow', body: '{}', kind: 'not_scored', outcome: [3, 17], severity: 2 },
  { mode: 'enforce', body: jsonBody(), kind: 'error', outcome: [2, 2], severity: 3 },
] as const;
const made: string[] = [];

beforeAll(async () => {
  for (const { mode, body, kind } of wanted) {
    resetFixtures(guarded);
    if (kind === 'error') {
      guarded.extractor.behaviour = (_request, response) => void response.writeHead(401).end();
    }
    const answer = await guarded.infer(mode, body);
    const id = answer.headers.get('x-guard-verdict-id')!;
    expect((await guarded.audited(id)).verdict).toBe(kind);
    made.push(id);
  }
  // As if they had been made an hour ago: the last half minute is not exported.
  const earlier = "strftime('%Y-%m-%dT%H:%M:%fZ', at, '-1 hour')";
  await guarded.edge.storage.run({
    sql: `UPDATE verdicts SET body = json_set(body, '$.at', ${earlier}), at = ${earlier}`,
  });
}, 180_000);

describe('an exported line', () => {
  it('is a Detection Finding for every kind of verdict', async () => {
    const findings = await exported();
    expect(uids(findings)).toEqual(made);
    for (const [index, { kind, outcome, severity, mode }] of wanted.entries()) {
      const finding = findings[index];
      expect([finding.action_id, finding.disposition_id]).toEqual(outcome);
      expect(finding.severity_id).toBe(severity);
      expect(finding.is_alert).toBe(kind === 'block');
      const { verdict } = finding.unmapped;
      expect(verdictSchema.parse(verdict)).toMatchObject({ verdict: kind, mode, id: made[index] });
      expect(finding.time).toBe(Date.parse(verdictSchema.parse(verdict).at));
    }
  });

  it('names the techniques of MITRE ATLAS, beside the finding and in it', async () => {
    const [, blocked] = await exported();
    const attacks = [
      { technique: { uid: 'AML.T0015', name: 'Evade AI Model' } },
      { technique: { uid: 'AML.T0043', name: 'Craft Adversarial Data' } },
    ];
    expect(blocked.attacks).toEqual(attacks);
    expect(blocked.finding_info.attacks).toEqual(attacks);
  });
});

describe('the schema of a finding', () => {
  it('refuses what the standard does not have', async () => {
    const [finding] = await exported();
    for (const change of [
      { type_uid: 200_402 },
      { category_uid: 3 },
      { severity_id: 7 },
      { time: '2026-01-01' },
      { attacks: [{}] },
      { score: 1 },
      { metadata: { ...finding.metadata, product: undefined } },
    ]) {
      expect(detectionFindingSchema.safeParse({ ...finding, ...change }).success).toBe(false);
    }
  });
});

describe('an export', () => {
  it('is resumed behind any of its lines', async () => {
    const findings = await exported();
    for (const [index, { unmapped }] of findings.entries()) {
      const rest = await exported({ cursor: String(unmapped.cursor) });
      expect(uids(rest)).toEqual(made.slice(index + 1));
    }
  });

  it('is filtered as the list is, and its cursors hold for its filters alone', async () => {
    const blocked = await exported({ verdict: 'block' });
    expect(uids(blocked)).toEqual([made[1], made[2]]);
    const cursor = String(blocked[0].unmapped.cursor);
    expect(uids(await exported({ verdict: 'block', cursor }))).toEqual([made[2]]);
    const other = await guarded.call(`/v1/verdicts/export?cursor=${cursor}`);
    expect(other.status).toBe(400);
    expect((await guarded.call('/v1/verdicts/export?format=cef')).status).toBe(400);
    // The list goes the other way.
    expect((await guarded.call(`/v1/verdicts?verdict=block&cursor=${cursor}`)).status).toBe(400);
  });

  it('leaves out the last half minute, of which verdicts may still be on their way', async () => {
    const answer = await guarded.infer('enforce');
    const id = answer.headers.get('x-guard-verdict-id')!;
    await guarded.audited(id);
    expect(uids(await exported())).toEqual(made);
    const to = new Date(Date.now() + 1_000).toISOString();
    expect(uids(await exported({ to }))).toEqual([...made, id]);
  });

  it('goes over pages: a thousand lines, each once', async () => {
    const copies = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
      INSERT INTO verdicts (id, at, request_id, request_digest, model, mode, verdict, enforced, body)
      SELECT 'gv_' || i, '2020-01-01T00:00:00.000Z', 'r', request_digest, model, mode, verdict, enforced,
        json_set(body, '$.id', 'gv_' || i, '$.at', '2020-01-01T00:00:00.000Z')
      FROM n, verdicts WHERE id = '${made[0]}'`;
    await guarded.edge.storage.run({ sql: copies });
    const found = uids(await exported({ to: '2021-01-01T00:00:00Z' }));
    expect(found).toHaveLength(1_000);
    expect(new Set(found).size).toBe(1_000);
  });
});

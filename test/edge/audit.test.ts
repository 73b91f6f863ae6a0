// The audit as operators search it: filters, pages that hold still while verdicts come in, and cursors that cannot be bent.
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type AuditPage, listQuery } from '../../edge/clients/audit-store.ts';
import { type AuditPageBody, auditPageSchema } from '../../shared/contracts/audit.ts';
import { verdictSchema } from '../../shared/contracts/verdict.ts';
import { problemSchema } from '../../shared/problem-response.ts';
import { binaryBody, guardedEdge, jsonBody, resetFixtures, restlessInput } from '../helpers/guarded-edge.ts';

const guarded = guardedEdge();
beforeEach(() => resetFixtures(guarded));

const pathOf = (query: Record<string, string>) => `/v1/verdicts?${new URLSearchParams(query).toString()}`;

async function list(query: Record<string, string> = {}): Promise<AuditPageBody> {
  const answer = await guarded.call(pathOf(query));
  expect(answer.status).toBe(200);
  return auditPageSchema.parse(await answer.json());
}
const ids = ({ verdicts }: AuditPageBody) => verdicts.map(({ verdict }) => verdict.id);

/** Seven verdicts in the order in which they were made: three allowed, two blocked, two that could not be scored. */
const made: string[] = [];
beforeAll(async () => {
  const bodies = [
    jsonBody(),
    jsonBody([restlessInput]),
    jsonBody(),
    '{}',
    jsonBody([restlessInput]),
    jsonBody(),
    '[]',
  ];
  for (const [index, body] of bodies.entries()) {
    const answer = await guarded.infer(index === 5 ? 'shadow' : 'enforce', body);
    const id = answer.headers.get('x-guard-verdict-id')!;
    await guarded.audited(id);
    made.push(id);
  }
}, 180_000);

describe('GET /v1/verdicts', () => {
  it('lists entries newest first, with what is kept beside the verdict', async () => {
    const page = await list();
    expect(ids(page)).toEqual(made.toReversed());
    expect(page.next).toBeNull();
    const [{ model, principal, request_digest }] = page.verdicts;
    // SHA-256 of the two characters `[]`, by sha256sum.
    const digest = 'sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945';
    expect({ model, request_digest }).toEqual({ model: 'enforce', request_digest: digest });
    expect(principal).toBe('api-token');
  });

  it.each([
    [{ verdict: 'block' }, [4, 1]],
    [{ verdict: 'allow' }, [5, 2, 0]],
    [{ failure: 'unsupported_input' }, [6, 3]],
    [{ failure: 'timeout' }, []],
    [{ model: 'shadow' }, [5]],
    [{ model: 'enforce', verdict: 'allow' }, [2, 0]],
    [{ principal: 'nobody-of-this-name' }, []],
    [{ principal: 'api-token', verdict: 'block' }, [4, 1]],
  ] as const)('filters by %j', async (filter, wanted) => {
    expect(ids(await list(filter))).toEqual(wanted.map((index) => made[index]));
  });

  it('filters by time: from is inclusive, to is not', async () => {
    const { verdicts } = await list();
    const at = verdicts.map(({ verdict }) => verdict.at);
    const inside = await list({ from: at[4], to: at[1] });
    const wanted = verdicts.filter(({ verdict }) => verdict.at >= at[4] && verdict.at < at[1]);
    expect(ids(inside)).toEqual(wanted.map(({ verdict }) => verdict.id));
    const elsewhere = new Date(at[4]).toISOString().replace('Z', '+00:00');
    expect(ids(await list({ from: elsewhere, to: at[1] }))).toEqual(ids(inside));
  });

  it('pages over all of them once, though verdicts come in between', async () => {
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: AuditPageBody = await list({ limit: '3', ...(cursor !== null && { cursor }) });
      seen.push(...ids(page));
      cursor = page.next;
      const answer = await guarded.infer('enforce');
      await guarded.audited(answer.headers.get('x-guard-verdict-id'));
    } while (cursor !== null);
    expect(seen).toEqual(made.toReversed());
  });

  it('tells verdicts of one millisecond apart by their ids', async () => {
    const verdict = await guarded.audited(made[0]);
    const at = '2020-01-01T00:00:00.000Z';
    const same = ['a', 'b', 'c', 'd'].map((digit) => `gv_same-${digit}`);
    const insert = `INSERT INTO verdicts (id, at, request_id, request_digest, model, mode, verdict, enforced, body)
      VALUES (?, ?, 'r', ?, 'enforce', 'enforce', 'allow', 0, ?)`;
    await guarded.edge.storage.run(
      ...same.map((own) => ({
        sql: insert,
        values: [own, at, `sha256:${'0'.repeat(64)}`, JSON.stringify({ ...verdict, id: own, at })],
      })),
    );
    const to = '2020-01-01T00:00:01Z';
    const first = await list({ to, limit: '3' });
    const second = await list({ to, limit: '3', cursor: first.next! });
    expect([...ids(first), ...ids(second)]).toEqual(same.toReversed());
  });

  it.each([
    [{ limit: '0' }],
    [{ limit: '501' }],
    [{ limit: '1.5' }],
    [{ limit: '-1' }],
    [{ verdict: 'fine' }],
    [{ failure: 'bad luck' }],
    [{ from: 'yesterday' }],
    [{ modell: 'enforce' }],
    [{ cursor: 'page-2' }],
    [{ cursor: '' }],
  ])('refuses %j', async (query) => {
    const answer = await guarded.call(pathOf(query as Record<string, string>));
    expect(answer.status).toBe(400);
    const { code, errors } = problemSchema.parse(await answer.json());
    expect(code).toBe('malformed_request');
    expect(errors).toHaveLength(1);
  });

  it('takes 1 and 500 as limits', async () => {
    expect((await list({ limit: '1' })).verdicts).toHaveLength(1);
    expect((await list({ limit: '500' })).verdicts.length).toBeGreaterThanOrEqual(7);
  });

  it('refuses a cursor that was changed in any character, or is of another question', async () => {
    const { next } = await list({ limit: '1', model: 'enforce' });
    const cursor = next!;
    const refused = async (query: Record<string, string>) => (await guarded.call(pathOf(query))).status;
    expect(await refused({ model: 'enforce', cursor })).toBe(200);
    expect(await refused({ model: 'shadow', cursor })).toBe(400);
    expect(await refused({ cursor })).toBe(400);
    for (let index = 0; index < cursor.length; index += 7) {
      const other = cursor[index] === '0' ? '1' : '0';
      const changed = cursor.slice(0, index) + other + cursor.slice(index + 1);
      expect(await refused({ model: 'enforce', cursor: changed })).toBe(400);
    }
  });
});

describe('a replay', () => {
  it('works for what was scored, and says of the rest why not', async () => {
    const replay = (index: number, body: string) =>
      guarded.call(`/v1/verdicts/${made[index]}/replay`, {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/json' },
      });
    for (const [index, body] of [jsonBody(), jsonBody([restlessInput])].entries()) {
      expect(await (await replay(index, body)).json()).toMatchObject({ matches: true });
    }
    const refused = await replay(3, '{}');
    expect(refused.status).toBe(409);
    const { detail } = problemSchema.parse(await refused.json());
    expect(detail).toContain('its input was refused before it was scored (malformed_request)');
    guarded.extractor.behaviour = (_request, response) => void response.writeHead(401).end();
    const failed = await guarded.infer('enforce');
    resetFixtures(guarded);
    const id = failed.headers.get('x-guard-verdict-id')!;
    await guarded.audited(id);
    const init = { method: 'POST', body: jsonBody(), headers: { 'content-type': 'application/json' } };
    const again = await guarded.call(`/v1/verdicts/${id}/replay`, init);
    expect(again.status).toBe(409);
    expect(problemSchema.parse(await again.json()).detail).toContain('worker_auth');
  });
});

describe('the query of a page', () => {
  const at = '2026-01-01T00:00:00.000Z';
  const filters: readonly Omit<AuditPage, 'order' | 'limit'>[] = [
    {},
    { model: 'm' },
    { verdict: 'block' },
    { verdict: 'allow' },
    { failure: 'timeout' },
    { principal: 'p' },
    { model: 'm', verdict: 'allow' },
    { model: 'm', verdict: 'block' },
    { model: 'm', failure: 'timeout', principal: 'p', verdict: 'error' },
    { from: at, to: at },
    { model: 'm', from: at, to: at },
  ];
  it.each(filters)('searches an index and sorts nothing: %j', async (filter) => {
    for (const order of ['newest', 'oldest'] as const) {
      for (const after of [undefined, { at, id: 'gv_1' }]) {
        const { sql, values } = listQuery({ ...filter, order, after, limit: 10 });
        const explained = { sql: `EXPLAIN QUERY PLAN ${sql}`, values };
        const [steps] = await guarded.edge.storage.run<{ detail: string }>(explained);
        const bounded = Object.keys(filter).length > 0 || after !== undefined;
        expect(steps.map(({ detail }) => detail)).toEqual([
          expect.stringMatching(
            bounded ? /^SEARCH verdicts USING INDEX verdicts_by_/ : /^SCAN .* USING INDEX/,
          ),
        ]);
        // The place behind the cursor is found in the index too, not by reading up to it.
        if (after !== undefined) expect(steps[0].detail).toMatch(/\(at,id\)[<>]|at[<>]/);
      }
    }
  });
});

describe('a row of the audit', () => {
  it('has in columns what it is searched and judged by', async () => {
    const headers = { 'content-type': 'application/octet-stream' };
    const { body, headers: binary } = binaryBody([restlessInput]);
    const answer = await guarded.infer('enforce', Uint8Array.from(body), { ...headers, ...binary });
    const verdict = verdictSchema.parse(await guarded.audited(answer.headers.get('x-guard-verdict-id')));
    const sql = 'SELECT * FROM verdicts WHERE id = ?';
    const [[row]] = await guarded.edge.storage.run<Record<string, unknown>>({ sql, values: [verdict.id] });
    // Virtual columns are not part of `*` in every SQLite: they are asked for by name.
    const columns = 'policy_id, policy_version, artefact_version, total_ms, taxonomy, trace_id';
    const named = { sql: `SELECT ${columns} FROM verdicts WHERE id = ?`, values: [verdict.id] };
    const [[derived]] = await guarded.edge.storage.run<Record<string, unknown>>(named);
    expect({ ...row, ...derived }).toMatchObject({
      verdict: 'block',
      failure: null,
      enforced: 1,
      artefact: verdict.detector!.artefact,
      artefact_version: verdict.detector!.version,
      noise_key_id: verdict.detector!.noise_key_id,
      policy_id: verdict.policy.id,
      policy_version: verdict.policy.version,
      total_ms: verdict.timings_ms.total,
      trace_id: verdict.trace_id,
    });
    expect(JSON.parse(String(derived.taxonomy))).toEqual(['AML.T0015', 'AML.T0043']);
    expect(row.request_digest).toMatch(/^sha256:[0-9a-f]{64}$/);
  });
});

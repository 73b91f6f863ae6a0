// Robustness reports on a running edge: stored once, listed, read byte for byte and as a page, deleted; and everything that is none.
import { beforeAll, describe, expect, it } from 'vitest';
import {
  type RobustnessReport,
  type RobustnessSummary,
  robustnessListSchema,
  robustnessSummarySchema,
} from '../../shared/contracts/robustness-report.ts';
import { problemSchema } from '../../shared/problem-response.ts';
import { guardedEdge } from '../helpers/guarded-edge.ts';
import { operatorOf, operatorToken } from '../helpers/operator-edge.ts';
import { robustModel, robustnessReportOf } from '../helpers/robustness-report.ts';

const guarded = guardedEdge({ bindings: { OPERATOR_TOKEN: operatorToken } });
const operator = operatorOf(guarded);
const path = '/v1/robustness-reports';
const natural = robustModel('natural', [0.3, 0.32, 0.31], 'a');
const trained = robustModel('trained <b>', [0.1, 0.12, 0.11], 'b');
const report = robustnessReportOf([natural, trained]);

const send = (body: unknown) =>
  operator.call(path, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) });
const list = async (query = '') =>
  robustnessListSchema.parse(await (await operator.call(`${path}${query}`)).json());

async function refused(answer: Response, status: number) {
  expect(answer.status).toBe(status);
  return problemSchema.parse(await answer.json());
}

describe('a robustness report', () => {
  let stored: RobustnessSummary;
  beforeAll(async () => {
    expect(await list()).toEqual({ reports: [], next_cursor: null });
    const answer = await send(report);
    expect(answer.status).toBe(201);
    stored = robustnessSummarySchema.parse(await answer.json());
    expect(answer.headers.get('location')).toBe(`${path}/${stored.id}`);
  });

  it('is listed by what it found, with the digests of its models', async () => {
    expect(await list()).toEqual({ reports: [stored], next_cursor: null });
    expect(stored).toMatchObject({ created_by: 'operator-token', made_at: report.created_at, sets: 3 });
    expect(stored.models.map(({ digest }) => digest)).toEqual([natural.digest, trained.digest]);
    expect(stored.models[0].relative.mean).toBe(natural.relative.mean);
  });

  it('is read byte for byte, and as a page that runs nothing', async () => {
    const read = await operator.call(`${path}/${stored.id}`);
    expect(await read.text()).toBe(JSON.stringify(report));
    const answer = await operator.call(`${path}/${stored.id}/report.html`);
    const page = await answer.text();
    expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(answer.headers.get('content-security-policy')).toMatch(/^default-src 'none'/);
    expect(page).toContain('NCCR 0.110');
    expect(page).toContain('trained &lt;b&gt;');
    expect(page).not.toContain('<script');
  });

  it('is stored once, however often it is sent', async () => {
    const again = await send(report);
    expect(again.status).toBe(200);
    expect(await again.json()).toEqual(stored);
    expect((await list()).reports).toHaveLength(1);
    expect((await operator.call(`${path}/${stored.id}`)).status).toBe(200);
  });

  it('is found by the file of a model that it measured, and paged, latest first', async () => {
    const other = await send({ ...report, models: [robustModel('other', [1, 2, 3], 'c')] });
    const { id } = (await other.json()) as RobustnessSummary;
    const page = await list('?limit=1');
    expect(page.reports.map((one) => one.id)).toEqual([id]);
    expect((await list(`?limit=1&cursor=${page.next_cursor}`)).reports).toEqual([stored]);
    expect((await list(`?model=${natural.digest}`)).reports).toEqual([stored]);
    expect((await list(`?model=sha256:${'e'.repeat(64)}`)).reports).toEqual([]);
  });

  it('is gone once it is deleted, and may be sent again', async () => {
    const one = `${path}/${stored.id}`;
    expect((await operator.call(one, { method: 'DELETE' })).status).toBe(204);
    for (const gone of [one, `${one}/report.html`]) await refused(await operator.call(gone), 404);
    await refused(await operator.call(one, { method: 'DELETE' }), 404);
    expect((await send(report)).status).toBe(201);
  });
});

describe('what is no robustness report', () => {
  const { models, ...without } = report;
  const crowded: RobustnessReport = { ...report, models: [natural, natural] };
  it.each([
    ['text that is not JSON', '{', /JSON/],
    ['a list', [], /not a robustness report/],
    ['a report without models', without, /\/models/],
    ['two models of one name', crowded, /\/models: two have one name/],
    [
      'a figure that is no number',
      { ...report, noise: { ...report.noise, epsilon: '0.3' } },
      /\/noise\/epsilon/,
    ],
    [
      'a digest of another kind',
      { ...report, models: [{ ...models[0], digest: 'md5:0' }] },
      /\/models\/0\/digest/,
    ],
    ['the report of another format', { ...report, format_version: 2 }, /\/format_version/],
  ])('is refused: %s', async (_, body, why) => {
    const { code, detail } = await refused(await send(body), 400);
    expect(code).toBe('malformed_request');
    expect(detail).toMatch(why);
  });

  it('is a body above the limit', async () => {
    await refused(await send(`"${'x'.repeat(4 * 1024 * 1024)}"`), 413);
  });

  it('is an id, cursor, limit or digest that is none', async () => {
    await refused(await operator.call(`${path}/rob_..%2Fother`), 404);
    for (const query of ['?limit=0', '?limit=101', '?cursor=x', '?model=natural']) {
      await refused(await operator.call(`${path}${query}`), 400);
    }
  });
});

// Screening jobs through the real routes, Workflow, D1, R2 and gpu-worker.
import { describe, expect, it } from 'vitest';
import type { ScreeningJob } from '../../shared/contracts/screening-job.ts';
import { parseReport } from '../../shared/screening-report/report-json.ts';
import { digitFiles, screenedModel } from '../helpers/screening-edge.ts';
import { startedScreening } from '../helpers/started-screening.ts';

const started = startedScreening();
const { client } = started;
const files = digitFiles(900);

describe('a screening', () => {
  it('goes from its upload to a report of every class', async () => {
    const started = await client.submit(files, { dataset: 'drawn digits' });
    expect(started).toMatchObject({ state: 'running', model: screenedModel, poisoned: null, upload: [] });
    const job = await client.ended(started.id);
    expect(job).toMatchObject({ state: 'completed', stage: null, failure: null, remaining_seconds: null });
    expect(job.counts).toEqual({
      examples: 900,
      examples_read: 900,
      examples_extracted: 900,
      classes: 10,
      classes_judged: 10,
    });
    const report = parseReport(await client.report(job.id));
    expect(report.dataset).toEqual({ name: 'drawn digits', format: 'idx', digest: job.dataset_digest });
    expect(report.mode).toBe('nccr');
    expect(report.screening.verdicts.map(({ label, examples }) => [label, examples])).toEqual(
      Array.from({ length: 10 }, (_, label) => [label, 90]),
    );
    expect(report.screening.poisoned).toEqual(job.poisoned);
    expect(report.pictures.length).toBeGreaterThan(0);
    expect(await client.report(job.id, '.csv')).toMatch(/^row,label,/);
    const page = await client.call(`/v1/screenings/${job.id}/report.html`);
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(await page.text()).toContain('Screening of drawn digits');
  });

  it('of the same upload, model and options gives the same report to the byte in a job of its own', async () => {
    const [first, second] = [await client.submit(files), await client.submit(files)];
    expect(second.id).not.toBe(first.id);
    const ended = [await client.ended(first.id), await client.ended(second.id)];
    expect(ended.map(({ state }) => state)).toEqual(['completed', 'completed']);
    expect(ended[0].dataset_digest).toBe(ended[1].dataset_digest);
    expect(await client.report(first.id)).toBe(await client.report(second.id));
  });
});

describe('making a screening', () => {
  it('makes one job for one key, whatever the order of the members', async () => {
    const key = 'key-of-one-job';
    const job = await client.create({ options: { seed: 5 } }, key);
    expect((await client.create({ options: { seed: 5 } }, key)).id).toBe(job.id);
    const other = await create({ model: screenedModel, format: 'idx', options: { seed: 6 } }, key);
    expect(other).toMatchObject({ status: 409, body: { code: 'conflict' } });
  });

  it('says where the job is', async () => {
    const answer = await client.call('/v1/screenings', {
      method: 'POST',
      headers: { 'idempotency-key': 'key-of-a-location' },
      body: JSON.stringify({ model: screenedModel, format: 'npz' }),
    });
    const job = (await answer.json()) as ScreeningJob;
    expect(answer.status).toBe(202);
    expect(answer.headers.get('location')).toBe(`/v1/screenings/${job.id}`);
    expect(job).toMatchObject({ state: 'uploading', stage: null, options: { seed: 1 } });
  });

  it('needs a key, a known model, a known format and no members that it does not know', async () => {
    expect(await create({ model: screenedModel, format: 'idx' }, '')).toMatchObject({
      status: 400,
      body: { code: 'malformed_request', errors: [{ pointer: 'idempotency-key' }] },
    });
    expect(await create({ model: 'another', format: 'idx' })).toMatchObject({ status: 404 });
    expect(await create({ model: screenedModel, format: 'rar' })).toMatchObject({
      status: 400,
      body: { errors: [{ pointer: '/format' }] },
    });
    expect(await create({ model: screenedModel, format: 'idx', shards: 3 })).toMatchObject({ status: 400 });
    expect(await create({ model: screenedModel, format: 'idx', options: { seed: -1 } })).toMatchObject({
      status: 400,
      body: { errors: [{ pointer: '/options/seed' }] },
    });
  });

  it('takes no webhook where nothing signs it', async () => {
    const webhook = 'https://hooks.acme.com/screened';
    expect(await create({ model: screenedModel, format: 'idx', webhook })).toMatchObject({ status: 400 });
  });
});

describe('the list of screenings', () => {
  it('is in pages, latest first', async () => {
    const made = [];
    for (let index = 0; index < 3; index++) made.unshift((await client.create()).id);
    const first = await page('?limit=2');
    expect(first.ids).toEqual(made.slice(0, 2));
    const second = await page(`?limit=1&cursor=${first.next}`);
    expect(second.ids).toEqual(made.slice(2));
  });

  it('refuses a limit and a cursor that it did not give', async () => {
    for (const query of ['?limit=0', '?limit=101', '?limit=x', '?cursor=x']) {
      expect((await client.call(`/v1/screenings${query}`)).status).toBe(400);
    }
  });
});

async function page(query: string) {
  const answer = await client.call(`/v1/screenings${query}`);
  const body = (await answer.json()) as { screenings: ScreeningJob[]; next_cursor: string | null };
  return { ids: body.screenings.map(({ id }) => id), next: body.next_cursor };
}

async function create(body: object, key: string = crypto.randomUUID()) {
  const answer = await client.call('/v1/screenings', {
    method: 'POST',
    headers: key === '' ? {} : { 'idempotency-key': key },
    body: JSON.stringify(body),
  });
  return { status: answer.status, body: await answer.json() };
}

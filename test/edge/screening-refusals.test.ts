// What screening jobs refuse, and what happens to those that are cancelled or deleted, through the real routes and Workflow.
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { uploadPartBytesMax, uploadPartBytesMin } from '../../shared/limits.ts';
import { rawRequest } from '../helpers/raw-request.ts';
import { digitFiles } from '../helpers/screening-edge.ts';
import { startedScreening } from '../helpers/started-screening.ts';
import { idxFile, patternedBytes } from '../helpers/upload-fixture.ts';

const started = startedScreening();
const { client } = started;
const missing = 'scr_00000000-0000-7000-8000-000000000000';
const few = digitFiles(20);

describe('an upload', () => {
  it('comes in parts of any order, each of which may come again', async () => {
    const { id } = await client.create({ format: 'cifar-binary' });
    const first = patternedBytes(uploadPartBytesMin);
    expect((await client.putPart(id, 2, patternedBytes(9, 3))).status).toBe(200);
    expect((await client.putPart(id, 1, patternedBytes(uploadPartBytesMin, 2))).status).toBe(200);
    const again = await client.putPart(id, 1, first);
    expect(await again.json()).toEqual({ part: 1, bytes: uploadPartBytesMin });
    expect((await client.read(id)).upload).toEqual([
      {
        file: 'data',
        parts: [
          { part: 1, bytes: uploadPartBytesMin },
          { part: 2, bytes: 9 },
        ],
      },
    ]);
    expect((await complete(id)).status).toBe(202);
    // Complete once more changes nothing.
    expect((await complete(id)).status).toBe(202);
    // A model of 28 x 28 pixels reads none of 32 x 32.
    const job = await client.ended(id);
    expect(job.failure).toMatchObject({ code: 'invalid_dataset', status: 422 });
    expect((await client.putPart(id, 3, patternedBytes(9))).status).toBe(409);
  });

  it('is not complete without each of its parts and files', async () => {
    const { id } = await client.create();
    expect(await problem(await complete(id))).toMatch(/^409 .*images/);
    await client.putPart(id, 2, few.images, 'images');
    await client.putPart(id, 1, few.labels, 'labels');
    expect(await problem(await complete(id))).toMatch(/^409 .*part 1 of images/);
    await client.putPart(id, 1, few.images, 'images');
    expect(await problem(await complete(id))).toMatch(/^409 .*of one size/);
    expect((await client.read(id)).state).toBe('uploading');
  });

  it('has parts with a number, a known file, a length and a size within bounds', async () => {
    const { id } = await client.create();
    for (const part of ['0', '10001', 'x', '-1']) {
      expect((await client.putPart(id, part, few.labels, 'labels')).status).toBe(400);
    }
    expect(await problem(await client.putPart(id, 1, few.labels))).toMatch(/^400 .*images and labels/);
    expect((await client.putPart(id, 1, few.labels, 'data')).status).toBe(400);
    expect((await client.putPart(id, 1, new Uint8Array(0), 'labels')).status).toBe(400);
    const tooLarge = { 'content-length': String(uploadPartBytesMax + 1) };
    expect(await rawPart(id, tooLarge)).toBe(413);
    expect(await rawPart(id, { 'transfer-encoding': 'chunked' })).toBe(400);
    expect((await client.read(id)).upload).toEqual([]);
  });
});

describe('a data set', () => {
  const bad: readonly [string, Record<string, Uint8Array>, object, RegExp][] = [
    ['a truncated file', { ...few, images: few.images.subarray(0, -784) }, {}, /images.*(cut short|ends)/],
    ['no archive', { data: patternedBytes(500) }, { format: 'npz' }, /./],
    ['a label beyond the classes', digitFiles(20, (row) => (row === 17 ? 10 : row % 10)), {}, /label 10/],
    ['one class alone', digitFiles(20, () => 3), {}, /label 3/],
    [
      'images of another size than the model reads',
      { ...few, images: idxFile([20, 14, 56], patternedBytes(20 * 784)) },
      {},
      /\[1, 14, 56\]/,
    ],
  ];
  it.each(bad)('of %s fails its job and says why', async (_what, files, body, reason) => {
    const job = await client.ended((await client.submit(files, body)).id);
    expect(job).toMatchObject({ state: 'failed', stage: null, poisoned: null });
    expect(job.failure).toMatchObject({ code: 'invalid_dataset', status: 422 });
    expect(job.failure?.detail).toMatch(reason);
    // A failure is never a clean report.
    for (const kind of ['', '.csv', '.html']) {
      expect((await client.call(`/v1/screenings/${job.id}/report${kind}`)).status).toBe(409);
    }
    expect((await cancel(job.id)).status).toBe(409);
  });

  it('with a class of one example is judged but for that class', async () => {
    const files = digitFiles(161, (row) => (row === 160 ? 7 : row % 2));
    const job = await client.ended((await client.submit(files)).id);
    expect(job.state).toBe('completed');
    const { screening } = JSON.parse(await client.report(job.id));
    expect(screening.verdicts.map((each: { verdict: string }) => each.verdict)).toEqual([
      expect.stringMatching(/clean|poisoned/),
      expect.stringMatching(/clean|poisoned/),
      'too_small',
    ]);
  });

  it('is not screened with a range of pixels that the graph does not read', async () => {
    const { id } = await client.submit(few, { options: { pixel_range: [-1, 1] } });
    expect(await client.ended(id)).toMatchObject({
      state: 'failed',
      failure: { code: 'conflict', detail: expect.stringMatching(/pixel_range is -1 to 1, .* reads 0 to 1/) },
    });
  });

  it('is not screened in another mode than the graph that is served', async () => {
    const job = await client.ended((await client.submit(few, { options: { mode: 'activation' } })).id);
    expect(job).toMatchObject({ state: 'failed', failure: { code: 'conflict' } });
  });
});

describe('a job', () => {
  it('that is not there is not found, whatever is asked of it', async () => {
    for (const id of [missing, 'x', `${missing}0`]) {
      const asked = [
        await client.call(`/v1/screenings/${id}`),
        await client.call(`/v1/screenings/${id}/report`),
        await client.call(`/v1/screenings/${id}/events`),
        await client.putPart(id, 1, few.labels),
        await complete(id),
        await cancel(id),
        await remove(id),
      ];
      expect(asked.map(({ status }) => status)).toEqual(asked.map(() => 404));
    }
  });

  it('is cancelled while it extracts, and stays so', async () => {
    const { id, release } = await heldJob();
    const answer = await cancel(id);
    expect(await answer.json()).toMatchObject({ state: 'cancelled', stage: null });
    release();
    expect((await cancel(id)).status).toBe(200);
    // Shards that were under way when it was cancelled end first.
    await sleep(500);
    const asked = started.worker.asked();
    await sleep(500);
    expect(started.worker.asked()).toBe(asked);
    expect(await client.read(id)).toMatchObject({ state: 'cancelled', poisoned: null, failure: null });
    expect((await complete(id)).status).toBe(409);
  });

  it('that is deleted while it runs leaves nothing behind', async () => {
    const { id, release } = await heldJob();
    expect((await started.edge.storage.listScreenings(`screenings/${id}/`)).length).toBeGreaterThan(0);
    expect((await remove(id)).status).toBe(204);
    expect((await client.call(`/v1/screenings/${id}`)).status).toBe(404);
    release();
    await expect.poll(() => started.edge.storage.listScreenings(`screenings/${id}/`)).toEqual([]);
    await sleep(500);
    expect(await started.edge.storage.listScreenings(`screenings/${id}/`)).toEqual([]);
    const tables = ['files', 'parts', 'shards', 'classes'];
    const counts = await started.edge.storage.run<{ rows: number }>(
      ...tables.map((table) => ({
        sql: `SELECT COUNT(*) AS rows FROM screening_${table} WHERE job = ?`,
        values: [id],
      })),
    );
    expect(counts.map(([{ rows }]) => rows)).toEqual([0, 0, 0, 0]);
    expect((await remove(id)).status).toBe(404);
  });

  it('tells each change as an event, and a client that comes back what it missed', async () => {
    const { id } = await client.submit(digitFiles(170, (row) => row % 2));
    const answer = await client.call(`/v1/screenings/${id}/events`);
    expect(answer.headers.get('content-type')).toContain('text/event-stream');
    const events = (await answer.text()).split('\n\n').filter((event) => event.startsWith('event: job'));
    const jobs = events.map((event) => JSON.parse(/^data: (.*)$/m.exec(event)![1]));
    expect(jobs.at(-1)).toMatchObject({ id, state: 'completed', counts: { examples_extracted: 170 } });
    const last = /^id: (\d+)$/m.exec(events.at(-1)!)![1];
    const headers = { 'last-event-id': last };
    expect((await client.call(`/v1/screenings/${id}/events`, { headers })).status).toBe(204);
    const missed = await client.call(`/v1/screenings/${id}/events`, { headers: { 'last-event-id': '1' } });
    expect(await missed.text()).toContain('"state":"completed"');
  });
});

/** A job whose extraction waits until it is released. */
async function heldJob() {
  const reached = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  started.worker.onInfer = () => {
    reached.resolve();
    return released.promise;
  };
  const { id } = await client.submit(digitFiles(600));
  await reached.promise;
  const release = () => {
    started.worker.onInfer = () => Promise.resolve();
    released.resolve();
  };
  return { id, release };
}

function complete(id: string) {
  return client.call(`/v1/screenings/${id}/complete`, { method: 'POST' });
}

function cancel(id: string) {
  return client.call(`/v1/screenings/${id}/cancel`, { method: 'POST' });
}

function remove(id: string) {
  return client.call(`/v1/screenings/${id}`, { method: 'DELETE' });
}

/** A part whose headers say what the client library would not let them say. */
async function rawPart(id: string, headers: Record<string, string>): Promise<number> {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const path = `/v1/screenings/${id}/parts/1?file=labels`;
  const head = [`PUT ${path} HTTP/1.1`, 'host: edge', 'connection: close', ...lines, '', ''].join('\r\n');
  const body = 'transfer-encoding' in headers ? '1\r\nx\r\n0\r\n\r\n' : '';
  const answer = await rawRequest(started.edge.url, `${head}${body}`, 10_000);
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]);
}

async function problem(answer: Response): Promise<string> {
  const { status, detail } = (await answer.json()) as { status: number; detail: string };
  return `${status} ${detail}`;
}

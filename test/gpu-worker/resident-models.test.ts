// Models within a bound of memory, on the real engine: which are loaded, and that none is lost.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Engine, LoadedModel } from '../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../gpu-worker/engine/ort-engine.ts';
import { memoryOf, ResidentModels } from '../../gpu-worker/resident-models.ts';
import { WaitingRuns } from '../../gpu-worker/waiting-runs.ts';
import { images, lenet } from '../helpers/lenet-app.ts';

let engine: Engine;
let expected: ArrayLike<unknown>;
/** Half a model more than two take: what a load takes beside is not seen where memory is there already. */
let twoModels: number;

beforeAll(async () => {
  engine = await createOrtEngine({ workers: 1 });
  const loaded = await engine.load(lenet);
  expected = (await loaded.run({ input: images(1) })).logits.data;
  await loaded.release();
  twoModels = 2.5 * memoryOf(lenet.length, 1);
});
afterAll(() => engine.close());

/** LeNet-5 as another file: what follows is an unknown field, which readers pass over. */
function fileOf(place: number): Uint8Array {
  return Buffer.concat([lenet, Buffer.from([0xa2, 0x06, 0x01, place])]);
}

/** Holds an engine whose loads a test can delay, and whose memory is the estimate. */
function holder(bytesMax = twoModels, bounds = {}) {
  const load = { count: 0, before: async () => {} };
  const counting = {
    info: engine.info,
    load: async (bytes: Uint8Array) => {
      load.count++;
      await load.before();
      return engine.load(bytes);
    },
  };
  const resident = new ResidentModels(counting, {
    bytesMax,
    waitingRunsMax: 8,
    waitingBytesMax: 1e6,
    ...bounds,
  });
  const add = (place: number, reread = async () => fileOf(place)) =>
    resident.load({ bytes: fileOf(place), reread });
  return { resident, load, add };
}

async function answers(model: LoadedModel): Promise<void> {
  expect((await model.run({ input: images(1) })).logits.data).toEqual(expected);
}

describe('models within a bound of memory', () => {
  it('are all served, the one least recently used unloaded for another', async () => {
    const { resident, load, add } = holder();
    const [first, second] = [await add(1), await add(2)];
    await answers(first);
    const third = await add(3);
    expect(resident.figures).toMatchObject({ loaded: 2, loads: 3, evictions: 1 });
    expect(resident.figures.bytes).toBeLessThanOrEqual(resident.figures.bytesMax);
    await answers(first);
    await answers(third);
    expect(load.count).toBe(3);
    await answers(second);
    expect(resident.figures).toMatchObject({ loaded: 2, loads: 4, evictions: 2, waitingRuns: 0 });
  });

  it('are loaded once for all runs that wait, and once for files that are the same', async () => {
    const { load, add } = holder();
    const [first, again] = await Promise.all([add(1), add(1)]);
    await Promise.all([add(2), add(3)]);
    expect(load.count).toBe(3);
    await Promise.all([answers(first), answers(again), answers(first), answers(again)]);
    expect(load.count).toBe(4);
  });

  it('are not unloaded under their runs, and who comes meanwhile waits for the next load', async () => {
    const { resident, add } = holder(1.5 * memoryOf(lenet.length, 1));
    const first = await add(1);
    const long = first.run({ input: images(5_000) });
    const loading = add(2);
    await vi.waitFor(() => expect(resident.figures.loaded).toBe(0), { interval: 1 });
    // The second waits for the long run; a new run of the first must not keep it out.
    const later = answers(first);
    expect((await long).logits.shape).toEqual([5_000, 10]);
    const second = await loading;
    await later;
    await answers(second);
    expect(resident.figures).toMatchObject({ loaded: 1, loads: 4, evictions: 3 });
  });

  it('say where one alone is over the bound', async () => {
    const { add } = holder(1e6);
    await expect(add(1)).rejects.toMatchObject({
      code: 'invalid_config',
      message: expect.stringMatching(/needs about 3 MB .* 1 MB are allowed .*GPU_WORKER_MEMORY_MB/),
    });
  });

  it('fail the runs of a file that is gone or another one, and serve it once it is back', async () => {
    const { resident, add } = holder();
    let file: Uint8Array | undefined = fileOf(9);
    const first = await add(1, async () => {
      if (file === undefined) throw new Error('no such file');
      return file;
    });
    await add(2);
    await add(3);
    await expect(first.run({ input: images(1) })).rejects.toMatchObject({
      code: 'internal',
      cause: expect.objectContaining({ message: expect.stringContaining('not what it was') }),
    });
    file = undefined;
    await expect(first.run({ input: images(1) })).rejects.toMatchObject({ code: 'internal' });
    file = fileOf(1);
    await answers(first);
    expect(resident.figures).toMatchObject({ loaded: 2, waitingRuns: 0 });
  });

  it('fail a run whose deadline passes or whose caller leaves before they are loaded, and load none for nobody', async () => {
    const { resident, load, add } = holder();
    const first = await add(1);
    await Promise.all([add(2), add(3)]);
    load.before = () => sleep(50);
    const leaving = new AbortController();
    const outcomes = Promise.allSettled([
      first.run({ input: images(1) }, { deadlineAt: performance.now() + 10 }),
      first.run({ input: images(1) }, { signal: leaving.signal }),
    ]);
    leaving.abort(new Error('gone'));
    expect(await outcomes).toMatchObject([
      { reason: { code: 'deadline_exceeded' } },
      { reason: { message: 'gone' } },
    ]);
    await answers(first);
    expect(resident.figures).toMatchObject({ loads: 4, waitingRuns: 0 });
  });

  it('let as many runs wait as they may', async () => {
    const { load, add } = holder(twoModels, { waitingRunsMax: 2 });
    const first = await add(1);
    await Promise.all([add(2), add(3)]);
    load.before = () => sleep(20);
    const outcomes = await Promise.allSettled([1, 2, 3].map(() => first.run({ input: images(1) })));
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
    expect(outcomes[2]).toMatchObject({ reason: { code: 'overloaded', retryAfterSeconds: 1 } });
  });
});

it('bounds what waits by its bytes, but for a single run', async () => {
  const waiting = new WaitingRuns<string>({ runsMax: 8, bytesMax: 100 });
  const large = waiting.wait('a', { bytes: 500 });
  expect(() => waiting.wait('b', { bytes: 1 })).toThrow('wait for their models');
  expect(waiting.admit('a', 'there')).toBe(1);
  expect(await large).toBe('there');
  const refused = waiting.wait('b', { bytes: 1 });
  waiting.refuse('b', new Error('not there'));
  await expect(refused).rejects.toThrow('not there');
  expect([waiting.length, waiting.has('b')]).toEqual([0, false]);
});

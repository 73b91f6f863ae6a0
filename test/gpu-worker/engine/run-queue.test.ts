// The queue of runs: what may not start any more never does, even where the process was too busy to notice.
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type QueuedRun, runQueue } from '../../../gpu-worker/engine/run-queue.ts';
import { GuardError } from '../../../shared/errors.ts';

const alone = { runsMax: 8, bytesMax: 1_000, rowsMax: 1, delayMs: 0 };
/** A run that says what becomes of it. */
const run = (model: number, log: string[], more: Partial<QueuedRun> = {}): QueuedRun => ({
  bounds: {},
  bytes: 100,
  task: { kind: 'run', model, feeds: {}, outputs: [] },
  resolve: () => log.push(`${model} ran`),
  reject: (error) => log.push(`${model} ${error instanceof GuardError ? error.code : String(error)}`),
  ...more,
});
/** Keeps the event loop from its timers, as a stopped process does. */
const block = (ms: number) => {
  const end = performance.now() + ms;
  while (performance.now() < end);
};

it('does not give a run whose deadline passed while no timer could fire', () => {
  const log: string[] = [];
  const queue = runQueue(alone);
  queue.add(run(1, log, { bounds: { deadlineAt: performance.now() + 10 } }));
  queue.add(run(2, log, { bounds: { deadlineAt: performance.now() + 10 } }));
  queue.add(run(3, log, { bounds: { deadlineAt: performance.now() + 60_000 } }));
  queue.add(run(4, log));
  block(15);
  expect(queue.take()[0].task.model).toBe(3);
  expect(log).toEqual(['1 deadline_exceeded', '2 deadline_exceeded']);
  expect(queue.take()[0].task.model).toBe(4);
  expect(queue.take()).toEqual([]);
});

it('gives nothing where every deadline has passed', () => {
  const log: string[] = [];
  const queue = runQueue(alone);
  queue.add(run(1, log, { bounds: { deadlineAt: performance.now() + 5 } }));
  block(10);
  expect(queue.take()).toEqual([]);
  expect(queue.length).toBe(0);
  expect(log).toEqual(['1 deadline_exceeded']);
});

it('refuses what its bytes have no room for, takes a single run of any size, and knows what waits', () => {
  const log: string[] = [];
  const queue = runQueue(alone);
  queue.add(run(1, log, { bytes: 5_000 }));
  queue.add(run(2, log));
  expect([queue.length, queue.bytes]).toEqual([1, 5_000]);
  expect(log).toEqual(['2 overloaded']);
  expect(queue.take()[0].task.model).toBe(1);
  expect(queue.bytes).toBe(0);
  for (let model = 3; model < 13; model++) queue.add(run(model, log, { bytes: 0 }));
  expect(log).toEqual(['2 overloaded', '11 overloaded', '12 overloaded']);
});

describe('runs that may be joined', () => {
  const joined = { ...alone, rowsMax: 4, delayMs: 20 };
  const row = (key: string, rows = 1) => ({ join: { key, rows } });
  const modelsOf = (runs: readonly QueuedRun[]) => runs.map(({ task }) => task.model);

  it('leave together as soon as their rows are enough, with no others between them', () => {
    const queue = runQueue(joined);
    const log: string[] = [];
    for (const model of [1, 2, 3]) queue.add(run(model, log, row('a')));
    queue.add(run(4, log, row('b')));
    expect(queue.take()).toEqual([]);
    for (const model of [5, 6]) queue.add(run(model, log, row('a')));
    expect(modelsOf(queue.take())).toEqual([1, 2, 3, 5]);
    expect(queue.take()).toEqual([]);
    expect(queue.length).toBe(2);
  });

  it('leave after the delay with those that came, while what is not joined overtakes them', async () => {
    const queue = runQueue(joined);
    const log: string[] = [];
    queue.add(run(1, log, row('a')));
    queue.add(run(2, log));
    queue.add(run(3, log, row('a')));
    expect(modelsOf(queue.take())).toEqual([2]);
    await sleep(30);
    expect(queue.ripeAt).toBeLessThan(performance.now());
    expect(modelsOf(queue.take())).toEqual([1, 3]);
    expect(queue.ripeAt).toBeUndefined();
  });

  it('do not wait for others where little time is left or they have all the rows already', () => {
    const queue = runQueue(joined);
    const log: string[] = [];
    queue.add(run(1, log, { ...row('a'), bounds: { deadlineAt: performance.now() + 30 } }));
    expect(modelsOf(queue.take())).toEqual([1]);
    queue.add(run(2, log, row('a', 4)));
    queue.add(run(3, log, row('a', 7)));
    expect(modelsOf(queue.take())).toEqual([2]);
    expect(modelsOf(queue.take())).toEqual([3]);
  });

  it('leave without the one whose deadline passed, and one that is run once more joins none', () => {
    const queue = runQueue({ ...joined, delayMs: 0 });
    const log: string[] = [];
    queue.add(run(1, log, { ...row('a'), bounds: { deadlineAt: performance.now() + 5 } }));
    queue.add(run(2, log, row('a')));
    block(10);
    const taken = queue.take();
    expect(modelsOf(taken)).toEqual([2]);
    expect(log).toEqual(['1 deadline_exceeded']);
    queue.addAgain(taken[0]);
    queue.add(run(3, log, row('a')));
    expect(modelsOf(queue.take())).toEqual([2]);
  });
});

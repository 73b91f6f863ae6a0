// The queue of runs: what may not start any more never does, even where the process was too busy to notice.
import { expect, it } from 'vitest';
import { type QueuedRun, runQueue } from '../../../gpu-worker/engine/run-queue.ts';
import { GuardError } from '../../../shared/errors.ts';

/** A run that says what becomes of it. */
const run = (model: number, log: string[]): QueuedRun => ({
  task: { kind: 'run', model, feeds: {}, outputs: [] },
  resolve: () => log.push(`${model} ran`),
  reject: (error) => log.push(`${model} ${error instanceof GuardError ? error.code : String(error)}`),
});
/** Keeps the event loop from its timers, as a stopped process does. */
const block = (ms: number) => {
  const end = performance.now() + ms;
  while (performance.now() < end);
};

it('does not give a run whose deadline passed while no timer could fire', () => {
  const log: string[] = [];
  const queue = runQueue(8);
  queue.add(run(1, log), { deadlineAt: performance.now() + 10 });
  queue.add(run(2, log), { deadlineAt: performance.now() + 10 });
  queue.add(run(3, log), { deadlineAt: performance.now() + 60_000 });
  queue.add(run(4, log), {});
  block(15);
  expect(queue.take()?.task.model).toBe(3);
  expect(log).toEqual(['1 deadline_exceeded', '2 deadline_exceeded']);
  expect(queue.take()?.task.model).toBe(4);
  expect(queue.take()).toBeUndefined();
});

it('gives nothing where every deadline has passed', () => {
  const log: string[] = [];
  const queue = runQueue(8);
  queue.add(run(1, log), { deadlineAt: performance.now() + 5 });
  block(10);
  expect(queue.take()).toBeUndefined();
  expect(queue.length).toBe(0);
  expect(log).toEqual(['1 deadline_exceeded']);
});

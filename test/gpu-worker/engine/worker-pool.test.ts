import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { WorkerPool } from '../../../gpu-worker/engine/worker-pool.ts';
import { float32Tensor } from '../../../shared/maths/tensor.ts';

const lenet = readFileSync(new URL('../../../gpu-worker/demo/assets/mnist-lenet5.onnx', import.meta.url));
const data = { provider: 'cpu', webgpuLayout: 'NCHW' };
const queue = { runsMax: 8, bytesMax: 1_000_000, rowsMax: 1, delayMs: 0 };
const crashingThread = new URL('../../fixtures/crashing-thread.ts', import.meta.url);

function image() {
  return float32Tensor(new Float32Array(784).fill(0.5), [1, 1, 28, 28]);
}

it('rejects the run of a thread that dies, replaces the thread with its models and runs what waited', async () => {
  const pool = await WorkerPool.start({ url: crashingThread, data, workers: 1, queue });
  const { model } = await pool.load({ bytes: lenet, optimisation: 'all' });
  const before = await pool.run({ model, feeds: { input: image() }, outputs: undefined }, {});
  const crashed = pool.run({ model, feeds: { crash: image() }, outputs: undefined }, {});
  const waiting = pool.run({ model, feeds: { input: image() }, outputs: undefined }, {});
  await expect(crashed).rejects.toMatchObject({
    code: 'internal',
    message: expect.stringContaining('exit code 7'),
  });
  expect((await waiting).logits.data).toEqual(before.logits.data);
  await pool.close();
});

it('says why where a thread does not start', async () => {
  const url = new URL('../../fixtures/no-such-thread.ts', import.meta.url);
  await expect(WorkerPool.start({ url, workers: 2, queue })).rejects.toMatchObject({
    code: 'internal',
    cause: expect.objectContaining({ message: expect.stringContaining('no-such-thread.ts') }),
  });
});

it('hands short runs to a thread together, and fails the one alone that ends it', async () => {
  const pool = await WorkerPool.start({
    url: crashingThread,
    data,
    workers: 1,
    queue: { ...queue, runsMax: 64, bytesMax: 10_000_000 },
  });
  const { model } = await pool.load({ bytes: lenet, optimisation: 'all' });
  const run = (name: string) => pool.run({ model, feeds: { [name]: image() }, outputs: undefined }, {});
  const expected = (await run('input')).logits.data;
  for (let count = 0; count < 20; count++) await run('input');
  const names = ['input', 'input', 'input', 'crash', 'input', 'input', 'wrong', 'input'];
  const outcomes = await Promise.allSettled(names.map(run));
  for (const [index, outcome] of outcomes.entries()) {
    if (names[index] === 'input') expect(outcome).toMatchObject({ value: { logits: { data: expected } } });
    else expect(outcome.status).toBe('rejected');
  }
  expect(outcomes[3]).toMatchObject({ reason: { code: 'internal' } });
  expect(outcomes[6]).toMatchObject({ reason: { name: 'RuntimeRefusal' } });
  await pool.close();
});

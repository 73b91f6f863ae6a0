// Rows of different requests in one run: what each gives, and what a bad one among them does.
import { readFileSync } from 'node:fs';
import { afterEach, expect, it } from 'vitest';
import type { Engine, LoadedModel } from '../../../gpu-worker/engine/engine.ts';
import { batchSizes, joinedBy, joinFeeds, splitOutputs } from '../../../gpu-worker/engine/join-runs.ts';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import { WorkerPool } from '../../../gpu-worker/engine/worker-pool.ts';
import { compileModel } from '../../../gpu-worker/extraction/compile-model.ts';
import { loadCompiledModel } from '../../../gpu-worker/served-model.ts';
import { extractionPlanSchema } from '../../../shared/contracts/extraction.ts';
import { float32Tensor, int64Tensor, type Tensor } from '../../../shared/maths/tensor.ts';
import { importNoiseKey } from '../../../shared/noise/noise-key.ts';

const lenet = readFileSync(new URL('../../../gpu-worker/demo/assets/mnist-lenet5.onnx', import.meta.url));
const copies = 4;
const bankRows = 8;
const engines: Engine[] = [];
afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.close();
});

async function start(size: Parameters<typeof createOrtEngine>[0]): Promise<Engine> {
  const engine = await createOrtEngine({ workers: 1, ...size });
  engines.push(engine);
  return engine;
}

async function compiled(taps: readonly object[] = []): Promise<Uint8Array> {
  const engine = await start({});
  const noise = [{ family: 'gaussian', epsilon: 0.1, rows: bankRows, copies }];
  const plan = extractionPlanSchema.parse({ input_range: [0, 1], noise, taps });
  const noiseKey = await importNoiseKey(new Uint8Array(32).fill(1));
  return (await compileModel(lenet, { name: 'm', plan, noiseKey, engine })).bytes;
}

/** One row; another for each seed. */
function feedsOf(seed: number, bankRow = seed % bankRows): Record<string, Tensor> {
  const pixels = Float32Array.from({ length: 784 }, (_, index) => ((index * 7919 + seed * 31) % 256) / 255);
  return {
    x: float32Tensor(pixels, [1, 1, 28, 28]),
    noise_rows: int64Tensor(
      Array.from({ length: copies }, () => bankRow),
      [1, copies],
    ),
    noise_signs: float32Tensor(new Float32Array(copies).fill(1), [1, copies]),
  };
}

const logitsOf = async (model: LoadedModel, seeds: readonly number[]) =>
  Promise.all(seeds.map(async (seed) => (await model.run(feedsOf(seed))).logits));
const seeds = [0, 1, 2, 3, 4, 5, 6];

it('gives each row the same logits joined as alone, in fewer runs', async () => {
  const bytes = await compiled();
  const alone = await start({});
  const expected = await logitsOf((await loadCompiledModel(alone, bytes)).loaded, seeds);
  const joining = await start({ joinedRowsMax: 4, joinDelayMs: 50 });
  const { loaded } = await loadCompiledModel(joining, bytes);
  expect(await logitsOf(loaded, seeds)).toEqual(expected);
  expect(joining.figures()).toEqual({ waitingRuns: 0, waitingBytes: 0, batches: 2, runs: 7 });
  expect(alone.figures()).toMatchObject({ batches: 7, runs: 7 });
});

it('fails the row alone that the runtime refuses', async () => {
  const joining = await start({ joinedRowsMax: 4, joinDelayMs: 50 });
  const { loaded } = await loadCompiledModel(joining, await compiled());
  const outcomes = await Promise.allSettled([
    loaded.run(feedsOf(1)),
    loaded.run(feedsOf(2, bankRows)),
    loaded.run(feedsOf(3)),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(outcomes[1]).toMatchObject({ reason: { code: 'invalid_input' } });
});

it('keeps rows apart whose plan has taps, on a processor', async () => {
  const joining = await start({ joinedRowsMax: 4, joinDelayMs: 50 });
  const { loaded } = await loadCompiledModel(joining, await compiled([{ kind: 'layer', tensor: 'conv1' }]));
  await logitsOf(loaded, seeds);
  expect(joining.figures()).toMatchObject({ batches: 7, runs: 7 });
});

it('fails the run alone that ends its thread, of those that were joined', async () => {
  const url = new URL('../../fixtures/crashing-thread.ts', import.meta.url);
  const data = { provider: 'cpu', webgpuLayout: 'NCHW' };
  const queue = { runsMax: 8, bytesMax: 1_000_000, rowsMax: 4, delayMs: 30 };
  const pool = await WorkerPool.start({ url, data, workers: 1, queue });
  const { model } = await pool.load({ bytes: lenet, optimisation: 'all' }, batchSizes(4));
  const image = () => float32Tensor(new Float32Array(784).fill(0.5), [1, 1, 28, 28]);
  // Runs of the same inputs are joined only, so that two crash together.
  const outcomes = await Promise.allSettled([
    pool.run({ model, feeds: { crash: image() }, outputs: undefined }, {}),
    pool.run({ model, feeds: { input: image() }, outputs: undefined }, {}),
    pool.run({ model, feeds: { crash: image() }, outputs: undefined }, {}),
    pool.run({ model, feeds: { input: image() }, outputs: undefined }, {}),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected', 'fulfilled']);
  await pool.close();
});

it('fills a batch up to the next size and gives each run its own rows', () => {
  const tensor = (rows: number, first: number) =>
    float32Tensor(
      Float32Array.from({ length: rows * 2 }, (_, index) => first + index),
      [rows, 2],
    );
  const joined = joinFeeds([{ x: tensor(2, 0) }, { x: tensor(1, 10) }], 4);
  expect(joined.x).toEqual(float32Tensor(Float32Array.of(0, 1, 2, 3, 10, 11, 0, 1), [4, 2]));
  expect(splitOutputs(joined, [2, 1], 4)).toEqual([{ x: tensor(2, 0) }, { x: tensor(1, 10) }]);
  expect(batchSizes(1)).toEqual([1]);
  expect(batchSizes(12)).toEqual([1, 2, 4, 8, 12]);
});

it('joins no run whose inputs differ in their rows, nor runs of other shapes or outputs', () => {
  const key = (rows: number, columns: number, outputs?: string[]) =>
    joinedBy(1, { feeds: { x: float32Tensor(new Float32Array(rows * columns), [rows, columns]) }, outputs })
      ?.key;
  expect(key(1, 2)).toBe(key(3, 2));
  expect(key(1, 2)).not.toBe(key(1, 3));
  expect(key(1, 2)).not.toBe(key(1, 2, ['y']));
  const uneven = {
    x: float32Tensor(new Float32Array(2), [1, 2]),
    y: float32Tensor(new Float32Array(4), [2, 2]),
  };
  expect(joinedBy(1, { feeds: uneven, outputs: undefined })).toBeUndefined();
});

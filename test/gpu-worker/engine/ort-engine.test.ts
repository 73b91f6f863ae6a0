import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine, LoadedModel } from '../../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import { float32Tensor, type Tensor } from '../../../shared/maths/tensor.ts';

const lenet = readFileSync(new URL('../../../gpu-worker/demo/assets/mnist-lenet5.onnx', import.meta.url));

function images(rows: number): Tensor {
  const pixels = Float32Array.from({ length: rows * 784 }, (_, index) => ((index * 7919) % 256) / 255);
  return float32Tensor(pixels, [rows, 1, 28, 28]);
}

function row(batch: Tensor, index: number): Tensor {
  return float32Tensor(batch.data.slice(index * 784, (index + 1) * 784) as Float32Array, [1, 1, 28, 28]);
}

describe('the engine on ONNX Runtime', () => {
  let engine: Engine;
  let model: LoadedModel;
  beforeAll(async () => {
    engine = await createOrtEngine({ workers: 2 });
    model = await engine.load(lenet);
  });
  afterAll(() => engine.close());

  it("names the model's tensors with their datatype and -1 for the batch", () => {
    expect(model.inputs).toEqual([{ name: 'input', datatype: 'FP32', shape: [-1, 1, 28, 28] }]);
    expect(model.outputs).toEqual([{ name: 'logits', datatype: 'FP32', shape: [-1, 10] }]);
  });

  it('gives a row the same bits alone and within a batch of LeNet-5', async () => {
    const batch = images(5);
    const { logits } = await model.run({ input: batch });
    expect(logits.shape).toEqual([5, 10]);
    for (let index = 0; index < 5; index++) {
      const alone = await model.run({ input: row(batch, index) });
      expect(alone.logits.data).toEqual(logits.data.slice(index * 10, index * 10 + 10));
    }
  });

  it('leaves the feeds to the caller', async () => {
    const input = images(1);
    const before = input.data.slice();
    await model.run({ input });
    expect(input.data).toEqual(before);
  });

  it('feeds a view of a larger buffer as the view alone', async () => {
    const batch = images(3);
    const view = float32Tensor((batch.data as Float32Array).subarray(784, 1568), [1, 1, 28, 28]);
    const seen = await model.run({ input: view });
    expect(seen.logits.data).toEqual((await model.run({ input: row(batch, 1) })).logits.data);
  });

  it('answers an empty batch with an empty tensor', async () => {
    const { logits } = await model.run({ input: float32Tensor(new Float32Array(0), [0, 1, 28, 28]) });
    expect(logits.shape).toEqual([0, 10]);
  });

  it('passes NaN through as the runtime does', async () => {
    const { logits } = await model.run({
      input: float32Tensor(new Float32Array(784).fill(NaN), [1, 1, 28, 28]),
    });
    expect(logits.shape).toEqual([1, 10]);
  });

  it.each([
    ['a missing input', {}, /missing/],
    [
      'a wrong shape',
      { input: float32Tensor(new Float32Array(756), [1, 1, 28, 27]) },
      /Got: 27 Expected: 28/,
    ],
    [
      'a wrong datatype',
      { input: { datatype: 'INT32', shape: [1, 1, 28, 28], data: new Int32Array(784) } },
      /data type/,
    ],
  ] as const)("refuses %s as invalid input with the runtime's reason", async (_what, feeds, reason) => {
    await expect(model.run(feeds as Record<string, Tensor>)).rejects.toMatchObject({
      code: 'invalid_input',
      message: expect.stringMatching(reason),
    });
  });

  it.each([
    ['an empty file', new Uint8Array(0)],
    ['a file that is not ONNX', new TextEncoder().encode('<!doctype html>')],
    ['half of a model', lenet.subarray(0, lenet.length / 2)],
  ])('refuses %s as an invalid model', async (_what, bytes) => {
    await expect(engine.load(bytes)).rejects.toMatchObject({ code: 'invalid_model' });
  });

  it('keeps the event loop free while a run is at work', async () => {
    let ticks = 0;
    const ticking = setInterval(() => ticks++, 1);
    await model.run({ input: images(2_000) });
    clearInterval(ticking);
    expect(ticks).toBeGreaterThan(3);
  });

  it('lets queued runs finish before it frees the model', async () => {
    const second = await engine.load(lenet);
    const runs = Array.from({ length: 6 }, () => second.run({ input: images(4) }));
    await second.release();
    expect(await Promise.all(runs)).toHaveLength(6);
    await expect(second.run({ input: images(1) })).rejects.toThrow('released');
  });
});

describe("the engine's queue", () => {
  it('refuses with overloaded and a time to come back where it is full', async () => {
    const engine = await createOrtEngine({ workers: 1, queueMax: 1 });
    const model = await engine.load(lenet);
    const [running, waiting] = [model.run({ input: images(64) }), model.run({ input: images(1) })];
    await expect(model.run({ input: images(1) })).rejects.toMatchObject({
      code: 'overloaded',
      retryAfterSeconds: 1,
    });
    expect(await Promise.all([running, waiting])).toHaveLength(2);
    await engine.close();
  });

  it('refuses a run whose deadline passes before a worker is free, and runs the next one', async () => {
    const engine = await createOrtEngine({ workers: 1 });
    const model = await engine.load(lenet);
    const running = model.run({ input: images(4_000) });
    const deadlineAt = performance.now() + 5;
    await expect(model.run({ input: images(1) }, { deadlineAt })).rejects.toMatchObject({
      code: 'deadline_exceeded',
    });
    await expect(
      model.run({ input: images(1) }, { deadlineAt: performance.now() - 1 }),
    ).rejects.toMatchObject({
      code: 'deadline_exceeded',
    });
    const next = model.run({ input: images(1) }, { deadlineAt: performance.now() + 60_000 });
    expect(await Promise.all([running, next])).toHaveLength(2);
    await engine.close();
  });

  it('never starts a run that its caller gave up', async () => {
    const engine = await createOrtEngine({ workers: 1, queueMax: 1 });
    const model = await engine.load(lenet);
    const running = model.run({ input: images(500) });
    const caller = new AbortController();
    const given = model.run({ input: images(1) }, { signal: caller.signal });
    caller.abort(new Error('the client left'));
    await expect(given).rejects.toThrow('the client left');
    // Its place in the queue is free again.
    const next = model.run({ input: images(1) });
    expect(await Promise.all([running, next])).toHaveLength(2);
    await expect(model.run({ input: images(1) }, { signal: caller.signal })).rejects.toThrow(
      'the client left',
    );
    await engine.close();
  });

  it('finishes what runs and refuses what waits on close', async () => {
    const engine = await createOrtEngine({ workers: 1 });
    const model = await engine.load(lenet);
    const running = model.run({ input: images(500) });
    const waiting = expect(model.run({ input: images(1) })).rejects.toMatchObject({ code: 'overloaded' });
    await engine.close();
    expect((await running).logits.shape).toEqual([500, 10]);
    await waiting;
    await expect(model.run({ input: images(1) })).rejects.toMatchObject({ code: 'overloaded' });
    await expect(engine.load(lenet)).rejects.toMatchObject({ code: 'overloaded' });
  });
});

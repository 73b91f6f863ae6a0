import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Dataset, selectDatasetRows } from '../../../gpu-worker/datasets/dataset.ts';
import { drawDigits } from '../../../gpu-worker/datasets/synthetic-digits.ts';
import type { Engine } from '../../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import { buildOn, newModel } from '../../../gpu-worker/onnx/graph.ts';
import { saveModel } from '../../../gpu-worker/onnx/model-file.ts';
import { buildNetwork } from '../../../gpu-worker/training/architectures.ts';
import { channelMoments, classesOf } from '../../../gpu-worker/training/check-training-set.ts';
import { measureAccuracy } from '../../../gpu-worker/training/measure-accuracy.ts';
import { type EpochRecord, trainNetwork } from '../../../gpu-worker/training/train-network.ts';

describe('training', () => {
  let engine: Engine;
  let digits: Dataset;
  let unseen: Dataset;
  let untrained: Uint8Array;
  beforeAll(async () => {
    engine = await createOrtEngine({ workers: 2 });
    digits = drawDigits(400, 1);
    unseen = drawDigits(100, 5000);
    const normalisation = channelMoments(digits);
    untrained = buildNetwork('lenet5', { inputShape: [1, 28, 28], classes: 10, seed: 2, normalisation });
  });
  afterAll(() => engine.close());

  const accuracy = (model: Uint8Array, epsilon?: number) =>
    measureAccuracy(model, unseen, { engine, range: [0, 1], epsilon, seed: 1 });

  it('learns the drawn digits within five epochs', async () => {
    const epochs: EpochRecord[] = [];
    const shares: number[] = [];
    const model = await trainNetwork(untrained, digits, {
      engine,
      epochs: 5,
      seed: 1,
      augmentation: 'shift',
      onEpoch: (record) => epochs.push(record),
      onProgress: (share) => shares.push(share),
    });
    expect((await accuracy(untrained)).natural).toBeLessThan(0.5);
    expect((await accuracy(model)).natural).toBeGreaterThan(0.9);
    expect(epochs.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4, 5]);
    expect(epochs[4].loss).toBeLessThan(epochs[0].loss);
    // 400 digits are 7 batches of 64 at most.
    expect(shares).toHaveLength(35);
    expect(shares.at(-1)).toBe(1);
  });

  it('gives the same file from the same seed, whatever the number of workers', async () => {
    const few = selectDatasetRows(
      digits,
      Uint32Array.from({ length: 130 }, (_, row) => row),
    );
    const trained = (own: Engine, seed: number) =>
      trainNetwork(untrained, few, { engine: own, epochs: 1, seed, augmentation: 'shift-mirror' });
    const one = await createOrtEngine({ workers: 1 });
    const model = await trained(one, 6);
    await one.close();
    expect(await trained(engine, 6)).toEqual(model);
    expect(await trained(engine, 7)).not.toEqual(model);
  });

  it('withstands an attack better where it was trained on it', async () => {
    const epsilon = 0.1;
    const few = selectDatasetRows(
      digits,
      Uint32Array.from({ length: 200 }, (_, row) => row),
    );
    const options = { engine, epochs: 7, seed: 1 };
    const adversarial = { epsilon, steps: 3, range: [0, 1] as const };
    const natural = await accuracy(await trainNetwork(untrained, few, options), epsilon);
    const robust = await accuracy(await trainNetwork(untrained, few, { ...options, adversarial }), epsilon);
    expect(robust.natural).toBeGreaterThan(0.9);
    expect(robust.attacked).toBeGreaterThan((natural.attacked ?? 1) + 0.1);
  }, 180_000);

  it('refuses data that teach nothing, and says why', async () => {
    const refused = (dataset: Dataset) => trainNetwork(untrained, dataset, { engine, epochs: 1, seed: 1 });
    const zeros = selectDatasetRows(digits, [0, 10, 20]);
    await expect(refused(zeros)).rejects.toThrow(/1 class; two are needed/);
    await expect(refused(selectDatasetRows(digits, []))).rejects.toThrow(/is empty/);
    await expect(refused({ ...digits, inputShape: [1, 14, 56] })).rejects.toThrow(
      /\[1, 14, 56\].*\[1, 28, 28\]/,
    );
    const labels = digits.labels.slice();
    labels[7] = 10;
    await expect(refused({ ...digits, labels })).rejects.toThrow(/label 10, the model has 10 classes/);
    const inputs = digits.inputs.slice();
    inputs[1234] = Number.NaN;
    await expect(refused({ ...digits, inputs })).rejects.toThrow(/not finite at 1234/);
  });

  it('refuses a model without weights instead of learning nothing', async () => {
    const model = newModel('flat', 17);
    const graph = buildOn(model, 't');
    graph.input('input', ['batch', 1, 28, 28]);
    graph.op('Flatten', ['input'], {}, 'logits');
    graph.output('logits', ['batch', 784]);
    const trained = trainNetwork(saveModel(model), digits, { engine, epochs: 1, seed: 1 });
    await expect(trained).rejects.toThrow(/nothing to train/);
  });

  it('learns batches that are larger than the queue of the engine', async () => {
    const narrow = await createOrtEngine({ workers: 1, queueMax: 64 });
    // 2,240 rows are 70 runs of 32.
    const rows = Uint32Array.from({ length: 2240 }, (_, row) => row % 400);
    const many = selectDatasetRows(digits, rows);
    const epochs: EpochRecord[] = [];
    const onEpoch = (record: EpochRecord) => epochs.push(record);
    await trainNetwork(untrained, many, { engine: narrow, epochs: 1, seed: 1, batch: 2240, onEpoch });
    await narrow.close();
    expect(epochs).toHaveLength(1);
  });

  it('stops where the loss is no number any more', async () => {
    const diverging = trainNetwork(untrained, digits, { engine, epochs: 2, seed: 1, learningRate: 1e30 });
    await expect(diverging).rejects.toThrow(/no number any more at step/);
  });

  it('stops where it is told to', async () => {
    const stop = new AbortController();
    const stopped = trainNetwork(untrained, digits, {
      engine,
      epochs: 100,
      seed: 1,
      signal: stop.signal,
      onProgress: () => stop.abort(new Error('enough')),
    });
    await expect(stopped).rejects.toThrow('enough');
  });
});

describe('the classes of a training set', () => {
  it('are one more than the largest label, and bounded', () => {
    expect(classesOf({ name: 'set', labels: Int32Array.of(3, 0) })).toBe(4);
    expect(() => classesOf({ name: 'set', labels: Int32Array.of(1e9) })).toThrow(/label 1000000000/);
  });
});

describe('the moments of channels', () => {
  it('are those of each channel alone', () => {
    // By hand: the first channel is 0 and 2, the second 5 throughout.
    const inputs = Float32Array.of(0, 2, 5, 5, 2, 0, 5, 5);
    expect(channelMoments({ inputs, inputShape: [2, 1, 2] })).toEqual({ mean: [1, 5], deviation: [1, 1] });
  });
});

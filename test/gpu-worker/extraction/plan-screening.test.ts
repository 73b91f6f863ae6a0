// Graphs for screening, on the demo's network: what they give beside the plain definition over copies made by hand.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drawDigit } from '../../../gpu-worker/datasets/synthetic-digits.ts';
import type { Engine } from '../../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import { compileModel, readCompiledModel } from '../../../gpu-worker/extraction/compile-model.ts';
import { extract } from '../../../gpu-worker/extraction/extract.ts';
import { planScreening } from '../../../gpu-worker/extraction/plan-screening.ts';
import { tappedModel } from '../../../gpu-worker/onnx/tapped-model.ts';
import { loadCompiledModel } from '../../../gpu-worker/served-model.ts';
import type { ScreeningMode } from '../../../shared/contracts/screening.ts';
import { neuronDrifts } from '../../../shared/maths/nccr.ts';
import { projectionSigns } from '../../../shared/maths/random-projection.ts';
import { float32Tensor } from '../../../shared/maths/tensor.ts';
import { noiseBank } from '../../../shared/noise/noise-bank.ts';
import { importNoiseKeyHex, type NoiseKey } from '../../../shared/noise/noise-key.ts';
import { smallModel, weights } from '../onnx/small-model.ts';

const inputShape = [1, 28, 28];
const size = 784;
const rows = [5, 900, 17];
const signs = [1, -1, -1];
const x = drawDigit(5, 3);
let engine: Engine;
let noiseKey: NoiseKey;
let lenet: Uint8Array;

beforeAll(async () => {
  engine = await createOrtEngine({ workers: 1 });
  noiseKey = await importNoiseKeyHex('7b'.repeat(32));
  lenet = await readFile(new URL('../../../gpu-worker/demo/assets/mnist-lenet5.onnx', import.meta.url));
}, 180_000);
afterAll(() => engine.close());

async function compiled(screening: ScreeningMode, layer?: string) {
  const plan = await planScreening(lenet, { engine, mode: screening, range: [0, 1], layer });
  return compileModel(lenet, { name: 'digits', plan, noiseKey, engine, screening });
}

/** Activations of a tensor for the digit and its copies `clip(x + sign * bank[row])`, [copies + 1, neurons]. */
async function byHand(tensor: string) {
  const plan = await planScreening(lenet, { engine, mode: 'nccr', range: [0, 1] });
  const bank = await noiseBank(noiseKey, plan, size);
  const batch = new Float32Array(4 * size);
  batch.set(x);
  for (const [copy, row] of rows.entries()) {
    for (let index = 0; index < size; index++) {
      const noised = x[index] + signs[copy] * bank[row * size + index];
      batch[(copy + 1) * size + index] = Math.min(1, Math.max(0, noised));
    }
  }
  const { bytes, widths } = await tappedModel(lenet, { engine, tensors: [tensor] });
  const model = await engine.load(bytes);
  const { tap_0 } = await model.run({ x: float32Tensor(batch, [4, ...inputShape]) });
  await model.release();
  return { values: tap_0.data as Float32Array, copies: 3, neurons: widths[0] };
}

function expectClose(found: Float32Array, expected: ArrayLike<number>) {
  expect(found).toHaveLength(expected.length);
  for (const [index, value] of found.entries()) expect(value).toBeCloseTo(expected[index], 4);
}

describe('a graph for screening', () => {
  it('gives the drift of the penultimate layer as the plain definition does', async () => {
    const { bytes, compiled: said } = await compiled('nccr');
    expect(said.plan.taps).toEqual([{ kind: 'drifts', tensor: 'fc2', neurons: 84 }]);
    const model = await engine.load(bytes);
    const { logits, changes } = await extract(model, { x, inputShape, selections: [{ rows, signs }] });
    await model.release();
    expect(logits).toHaveLength(4 * 10);
    expectClose(changes!, neuronDrifts(await byHand('fc2')));
  });

  it('gives the activation itself in one pass and without noise', async () => {
    const { bytes } = await compiled('activation');
    const model = await engine.load(bytes);
    expect(model.inputs.map(({ name }) => name)).toEqual(['x']);
    const selections = [{ rows: [], signs: [] }];
    const { logits, changes } = await extract(model, { x, inputShape, selections });
    await model.release();
    expect(logits).toHaveLength(10);
    expectClose(changes!, (await byHand('fc2')).values.subarray(0, 84));
  });

  it('reads the layer that is named, whatever its shape', async () => {
    const { bytes, compiled: said } = await compiled('nccr', 'fc1');
    expect(said.plan.taps).toEqual([{ kind: 'drifts', tensor: 'fc1', neurons: 120 }]);
    const model = await engine.load(bytes);
    const { changes } = await extract(model, { x, inputShape, selections: [{ rows, signs }] });
    await model.release();
    expectClose(changes!, neuronDrifts(await byHand('fc1')));
  });

  it('projects a layer of more than 512 neurons onto 128 directions, and says so', async () => {
    // An image of conv2 is [16, 10, 10].
    const { bytes, compiled: said } = await compiled('nccr', 'conv2');
    const tap = { kind: 'drifts', tensor: 'conv2', neurons: 128, projected_from: 1_600 };
    expect(said.plan.taps).toEqual([tap]);
    const served = await loadCompiledModel(engine, bytes);
    expect(served.parameters).toMatchObject({ guard_projected_from: 1_600 });
    const { changes } = await extract(served.loaded, { x, inputShape, selections: [{ rows, signs }] });
    await served.loaded.release();
    const drifts = neuronDrifts(await byHand('conv2'));
    const matrix = projectionSigns({ inputs: 1_600, outputs: 128 });
    const expected = Array.from({ length: 128 }, (_, column) =>
      drifts.reduce((sum, drift, row) => sum + drift * matrix[row * 128 + column], 0),
    );
    expectClose(changes!, expected);
  });

  it('says in its file what it is for, and is served as the version screening', async () => {
    const { bytes } = await compiled('nccr');
    expect(readCompiledModel(bytes).screening).toBe('nccr');
    const served = await loadCompiledModel(engine, bytes);
    expect(served).toMatchObject({ name: 'digits', version: 'screening' });
    expect(served.parameters).toMatchObject({ guard_screening: 'nccr', guard_noise_key_id: noiseKey.id });
    expect(served.parameters).toMatchObject({ guard_input_low: 0, guard_input_high: 1 });
    expect(served.parameters).not.toHaveProperty('guard_projected_from');
    await served.loaded.release();
  });
});

describe('a model is refused for screening', () => {
  const plan = (bytes: Uint8Array, layer?: string) =>
    planScreening(bytes, { engine, mode: 'nccr', range: [0, 1], layer });
  const vector = { shape: ['batch', 8], flatten: false } as const;

  it('of two classes, whose runner-up is always the other one', async () => {
    const two = smallModel((graph, input) => graph.op('MatMul', [input, weights(graph, [8, 2])]), vector);
    await expect(plan(two)).rejects.toMatchObject({
      code: 'invalid_model',
      message: expect.stringMatching(/at least 3 classes, this one has 2/),
    });
  });

  it('whose logits are not those of a linear layer, unless one is named', async () => {
    const squared = smallModel((graph, input) => {
      const linear = graph.op('MatMul', [input, weights(graph, [8, 5])], {}, 'features');
      return graph.op('Sin', [linear]);
    }, vector);
    await expect(plan(squared)).rejects.toThrow(/does not come from a linear layer/);
    expect((await plan(squared, 'features')).taps).toMatchObject([{ tensor: 'features', neurons: 5 }]);
  });

  it('whose layer has more neurons than are read', async () => {
    const wide = smallModel((graph, input) => {
      const hidden = graph.op('MatMul', [input, weights(graph, [8, 16_385])]);
      return graph.op('MatMul', [graph.op('Relu', [hidden]), weights(graph, [16_385, 3])]);
    }, vector);
    await expect(plan(wide)).rejects.toThrow(/has 16385 neurons; at most 16384 are read/);
  });

  it('where the layer that is named is not there', async () => {
    await expect(plan(lenet, 'fc9')).rejects.toThrow(/no tensor fc9; near it are fc1/);
  });
});

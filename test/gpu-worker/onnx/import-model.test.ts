import { create } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import { forwardModel } from '../../../gpu-worker/onnx/forward-model.ts';
import { buildOn, type GraphBuilder, newModel } from '../../../gpu-worker/onnx/graph.ts';
import { type ImportOptions, importModel } from '../../../gpu-worker/onnx/import-model.ts';
import { loadModel, saveModel } from '../../../gpu-worker/onnx/model-file.ts';
import { StringStringEntryProtoSchema, type TensorProto } from '../../../gpu-worker/onnx/schema/messages.ts';
import { float32Tensor } from '../../../shared/maths/tensor.ts';
import { smallModel, weights } from './small-model.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await createOrtEngine({ workers: 1 });
});
afterAll(() => engine.close());

const nothingBeside: ImportOptions['readBeside'] = async (location) => {
  throw new Error(`nothing lies at ${location}`);
};
const imported = (bytes: Uint8Array, options: Partial<ImportOptions> = {}) =>
  importModel(bytes, { readBeside: nothingBeside, ...options });

async function logitsOf(bytes: Uint8Array, shape: number[], values: number[]): Promise<number[]> {
  const model = await engine.load(await forwardModel(bytes, { engine }));
  const { logits } = await model.run({ x: float32Tensor(Float32Array.from(values), shape) });
  await model.release();
  return [...(logits.data as Float32Array)];
}

/** features * gain + bias, where bias is only read by the second output. */
function severalEnds(): Uint8Array {
  const model = newModel('several', 17);
  const graph = buildOn(model, 'own');
  const features = graph.input('features', ['batch', 2]);
  const gain = graph.op('Cast', [graph.input('gain', [1], 'int64')], { to: 1 });
  graph.op('Mul', [features, gain], {}, 'first');
  graph.op('Add', ['first', graph.input('bias', [2])], {}, 'second');
  for (const name of ['first', 'second']) graph.output(name, ['batch', 2]);
  return saveModel(model);
}

/** A dense layer whose weights lie in another file, behind four bytes that are not theirs. */
function outsideModel(change: (tensor: TensorProto) => void = () => undefined) {
  const whole = smallModel((graph, input) => graph.op('MatMul', [input, weights(graph, [4, 3])]), {
    shape: ['b', 4],
    flatten: false,
  });
  const model = loadModel(whole);
  const [tensor] = model.graph.initializer;
  const file = new Uint8Array(4 + tensor.rawData.length);
  file.set(tensor.rawData, 4);
  const entries = { location: 'weights/dense.bin', offset: '4', length: String(tensor.rawData.length) };
  tensor.externalData = Object.entries(entries).map(([key, value]) =>
    create(StringStringEntryProtoSchema, { key, value }),
  );
  tensor.rawData = new Uint8Array();
  tensor.dataLocation = 1;
  change(tensor);
  return { whole, outside: saveModel(model), file };
}

const entry = (tensor: TensorProto, key: string, value: string) => {
  tensor.externalData.find((each) => each.key === key)!.value = value;
};

describe('importModel', () => {
  it('gives back the bytes of a model that needs nothing', async () => {
    const bytes = smallModel((graph, input) => graph.op('Relu', [input]));
    expect(await imported(bytes)).toBe(bytes);
  });

  it('keeps one output with the inputs that it needs, and gives the others their value', async () => {
    const first = await imported(severalEnds(), { output: 'first', values: { gain: 3 } });
    expect(loadModel(first).graph.input.map(({ name }) => name)).toEqual(['features']);
    expect(await logitsOf(first, [1, 2], [1, 2])).toEqual([3, 6]);
    const values = { gain: 2, bias: 0.5 };
    const second = await imported(severalEnds(), { input: 'features', output: 'second', values });
    expect(await logitsOf(second, [1, 2], [1, 2])).toEqual([2.5, 4.5]);
  });

  it('fixes extents that the file leaves free', async () => {
    const free = smallModel((graph, input) => graph.op('GlobalAveragePool', [input]), {
      shape: ['batch', 3, 'height', 'width'],
    });
    await expect(forwardModel(free, { engine })).rejects.toThrow(
      /dimension 2 of input input is free.*model import/,
    );
    const fixed = await imported(free, { inputShape: [3, 1, 2] });
    expect(await logitsOf(fixed, [1, 3, 1, 2], [1, 3, 2, 2, 5, 7])).toEqual([2, 2, 6]);
  });

  it('brings in constants of other files, so that one digest covers them', async () => {
    const { whole, outside, file } = outsideModel();
    const asked: string[] = [];
    const bytes = await imported(outside, {
      readBeside: async (location) => {
        asked.push(location);
        return file;
      },
    });
    expect(asked).toEqual(['weights/dense.bin']);
    expect(await logitsOf(bytes, [1, 4], [1, 2, 3, 4])).toEqual(await logitsOf(whole, [1, 4], [1, 2, 3, 4]));
    const other = await imported(outside, { readBeside: async () => file.map((byte) => byte ^ 1) });
    expect(other).not.toEqual(bytes);
  });

  it.each(['../weights.bin', '/etc/passwd', 'a/../../b', 'C:\\weights', 'a\\..\\b', '', './a'])(
    'refuses a constant at %j',
    async (location) => {
      const { outside, file } = outsideModel((tensor) => entry(tensor, 'location', location));
      const read = imported(outside, { readBeside: async () => file });
      await expect(read).rejects.toMatchObject({
        code: 'invalid_model',
        message: expect.stringMatching(/small\/floats lies at/),
      });
    },
  );

  it.each([
    ['offset', '8'],
    ['offset', '-4'],
    ['offset', 'x'],
    ['length', '44'],
    ['length', '1e9'],
  ])('refuses a constant whose %s is %s', async (key, value) => {
    const { outside, file } = outsideModel((tensor) => entry(tensor, key, value));
    await expect(imported(outside, { readBeside: async () => file })).rejects.toThrow(/needs 48 bytes/);
  });

  const refusals: [string, Partial<ImportOptions>, RegExp][] = [
    [
      'an input that is not there',
      { input: 'pixels' },
      /no input pixels; its inputs are features, gain, bias/,
    ],
    ['a value for an input that is not there', { values: { rate: 1 } }, /no input rate/],
    ['inputs without a value', { input: 'features' }, /has 3 \(features, gain, bias\)/],
    ['a broken number for whole ones', { values: { gain: 0.5, bias: 0 } }, /gain takes whole numbers/],
    ['an output that is not there', { output: 'third' }, /no tensor third; near it are/],
    [
      'a shape that does not fit',
      { values: { gain: 1, bias: 1 }, inputShape: [3] },
      /shape \[free, 2\].*\[batch, 3\]/,
    ],
  ];
  it.each(refusals)('refuses %s', async (_name, options, message) => {
    await expect(imported(severalEnds(), options)).rejects.toMatchObject({
      code: 'invalid_model',
      message: expect.stringMatching(message),
    });
  });

  it('refuses a value for an input of a free shape', async () => {
    const bytes = smallModel((graph: GraphBuilder, input) =>
      graph.op('Add', [input, graph.input('other', ['n', 6])]),
    );
    await expect(imported(bytes, { values: { other: 1 } })).rejects.toThrow(/other has a free shape/);
  });

  it('refuses a value for an input that is data', async () => {
    const bytes = smallModel((graph: GraphBuilder, input) =>
      graph.op('Add', [input, graph.op('ReduceMean', [graph.input('other', [4096, 4096])], { keepdims: 0 })]),
    );
    await expect(imported(bytes, { values: { other: 1 } })).rejects.toThrow(/more than 1048576 elements/);
  });
});

import { describe, expect, it } from 'vitest';
import { loadModel, saveModel } from '../../../gpu-worker/onnx/model-file.ts';
import { elementTypes } from '../../../gpu-worker/onnx/schema/messages.ts';
import { readWeights, writeWeights } from '../../../gpu-worker/onnx/weights.ts';
import { GuardError } from '../../../shared/errors.ts';
import { smallModel, weights } from './small-model.ts';

const model = smallModel((graph, input) => {
  const normalised = graph.op('Sub', [input, graph.floats([1], [0.5])]);
  const conv = graph.op('Conv', [normalised, weights(graph, [3, 2, 6, 6]), weights(graph, [3])]);
  const flat = graph.op('Flatten', [conv]);
  return graph.op('Add', [graph.op('MatMul', [flat, weights(graph, [3, 4])]), weights(graph, [4])]);
});

describe('the weights of a file', () => {
  it('are those of its layers, without the constants that normalise', () => {
    const shapes = readWeights(model).map(({ shape }) => shape);
    expect(shapes).toEqual([[3, 2, 6, 6], [3], [3, 4], [4]]);
  });

  it('are what was written, and everything else stays', () => {
    const own = readWeights(model);
    const doubled = own.map(({ name, values }) => ({ name, values: values.map((value) => 2 * value) }));
    const changed = writeWeights(model, doubled);
    expect(readWeights(changed).map(({ values }) => values)).toEqual(doubled.map(({ values }) => values));
    expect(writeWeights(changed, own)).toEqual(model);
  });

  it('of a model in half precision are read and written as float32', () => {
    const file = loadModel(model);
    const [, { name }] = readWeights(model);
    const constant = file.graph.initializer.find((tensor) => tensor.name === name)!;
    constant.dataType = elementTypes.half;
    // 1, -2 and the smallest number above 0 (IEEE 754, binary16), little-endian.
    constant.rawData = Uint8Array.of(0x00, 0x3c, 0x00, 0xc0, 0x01, 0x00);
    const halves = saveModel(file);
    expect([...readWeights(halves)[1].values]).toEqual([1, -2, 2 ** -24]);
    const written = writeWeights(halves, [{ name, values: Float32Array.of(0.1, 0.2, 0.3) }]);
    expect([...readWeights(written)[1].values]).toEqual([...Float32Array.of(0.1, 0.2, 0.3)]);
    constant.rawData = constant.rawData.subarray(1);
    expect(() => readWeights(saveModel(file))).toThrow(/has 5 bytes, no whole number of elements of 2/);
  });

  it('are refused in another shape or under an unknown name', () => {
    const [{ name }] = readWeights(model);
    expect(() => writeWeights(model, [{ name, values: new Float32Array(2) }])).toThrow(/has 2 elements/);
    expect(() => writeWeights(model, [{ name: 'nothing', values: new Float32Array(2) }])).toThrow(/nothing/);
  });

  it('are refused where a constant ends within an element', () => {
    const file = loadModel(model);
    const constant = file.graph.initializer.find(({ name }) => name === readWeights(model)[1].name)!;
    constant.rawData = constant.rawData.subarray(1);
    const reading = () => readWeights(saveModel(file));
    expect(reading).toThrow(GuardError);
    expect(reading).toThrow(/has 11 bytes, no whole number of elements of 4/);
  });
});

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import { floatsOf } from '../../../gpu-worker/onnx/constants.ts';
import { fedModel } from '../../../gpu-worker/onnx/fed-model.ts';
import type { GraphBuilder } from '../../../gpu-worker/onnx/graph.ts';
import { gradientModel } from '../../../gpu-worker/onnx/input-gradient.ts';
import { loadModel } from '../../../gpu-worker/onnx/model-file.ts';
import { elementTypes } from '../../../gpu-worker/onnx/schema/messages.ts';
import { readWeights, type Weight } from '../../../gpu-worker/onnx/weights.ts';
import { normal, seededRandom } from '../../../shared/maths/random.ts';
import { elementCount, float32Tensor, type Tensor } from '../../../shared/maths/tensor.ts';
import { sharedFolder } from '../../helpers/shared-folder.ts';
import { type SmallModelOptions, smallModel, weights } from './small-model.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await createOrtEngine({ workers: 1 });
});
afterAll(() => engine.close());

type Build = (graph: GraphBuilder, input: string) => string;
type Case = [name: string, build: Build, options?: SmallModelOptions];

const rows = 3;

/** Feeds of the weights, moved along a direction by a step. */
function fedWeights(own: readonly Weight[], along: readonly Float32Array[] = [], step = 0) {
  return Object.fromEntries(
    own.map(({ name, shape, values }, index) => [
      name,
      float32Tensor(
        along.length === 0 ? values : values.map((value, place) => value + step * along[index][place]),
        shape,
      ),
    ]),
  );
}

/** Random inputs, soft targets whose rows sum to 1. */
function batch(inputShape: readonly number[], classes: number, low = -1): Record<string, Tensor> {
  const random = seededRandom(11);
  const x = Float32Array.from({ length: rows * elementCount(inputShape) }, () => low + (1 - low) * random());
  const target = Float32Array.from({ length: rows * classes }, random);
  for (let row = 0; row < rows; row++) {
    const own = target.subarray(row * classes, (row + 1) * classes);
    const sum = own.reduce((total, value) => total + value, 0);
    for (let index = 0; index < classes; index++) own[index] /= sum;
  }
  return { x: float32Tensor(x, [rows, ...inputShape]), target: float32Tensor(target, [rows, classes]) };
}

/**
 * The largest difference, over the gradient's length, between the slope of the summed loss that the gradients say and the
 * one that central differences show, one weight tensor at a time.
 */
async function slopeErrors(
  bytes: Uint8Array,
  { low = -1, own = readWeights(bytes) }: { low?: number; own?: Weight[] } = {},
): Promise<Record<string, number>> {
  const names = own.map(({ name }) => name);
  const { bytes: fed, parameters } = await fedModel(bytes, {
    engine,
    parameters: names,
    gradient: 'parameters',
  });
  const model = await engine.load(fed);
  const spec = (name: string) => model.inputs.find((input) => input.name === name)!.shape.slice(1);
  const data = batch(spec('x'), spec('target')[0], low);
  const lossOf = async (feeds: Record<string, Tensor>) => {
    const { loss } = await model.run({ ...data, ...feeds });
    return Array.from(loss.data as Float32Array).reduce((sum, value) => sum + value, 0);
  };
  const gradients = await model.run({ ...data, ...fedWeights(own) });
  const random = seededRandom(5);
  const errors: Record<string, number> = {};
  for (const [index, { name, shape }] of own.entries()) {
    const gradient = gradients[parameters[index].gradient];
    expect(gradient.shape).toEqual(shape);
    const said = gradient.data as Float32Array;
    const length = Math.hypot(...said);
    // A unit step towards the gradient mixed with noise, so that the slope is not lost in float32's rounding.
    const along = own.map(({ values }, other) => {
      const raw = values.map((_, place) =>
        other === index ? said[place] / length + (0.5 * normal(random)) / Math.sqrt(values.length) : 0,
      );
      return raw;
    });
    const step = 2e-3;
    const shown =
      ((await lossOf(fedWeights(own, along, step))) - (await lossOf(fedWeights(own, along, -step)))) /
      (2 * step);
    const expected = said.reduce((sum, value, place) => sum + value * along[index][place], 0);
    errors[name] = Math.abs(expected - shown) / length;
  }
  await model.release();
  return errors;
}

const conv =
  (shape: number[], attributes: Parameters<GraphBuilder['op']>[2]): Build =>
  (graph, input) =>
    graph.op('Conv', [input, weights(graph, shape), weights(graph, [shape[0]])], attributes);

const dense =
  (attributes: Parameters<GraphBuilder['op']>[2], shape: number[], bias: number[]): Build =>
  (graph, input) =>
    graph.op('Gemm', [input, weights(graph, shape), weights(graph, bias)], attributes);

const cases: Case[] = [
  ['Conv', conv([4, 2, 3, 3], {})],
  ['Conv with padding', conv([4, 2, 3, 3], { pads: [1, 1, 1, 1] })],
  ['Conv with stride and uneven padding', conv([4, 2, 3, 2], { strides: [2, 3], pads: [1, 0, 0, 1] })],
  ['Conv whose last elements no window sees', conv([4, 2, 2, 1], { strides: [3, 4] })],
  ['Conv with dilation', conv([4, 2, 2, 2], { dilations: [2, 3], pads: [1, 2, 1, 0] })],
  ['Conv with stride and dilation', conv([4, 2, 2, 2], { dilations: [2, 1], strides: [3, 2] })],
  ['Conv in groups', conv([6, 1, 3, 3], { group: 2, pads: [1, 1, 1, 1], strides: [2, 1] })],
  ['Conv that pads by itself', conv([4, 2, 3, 2], { strides: [2, 2], auto_pad: 'SAME_UPPER' })],
  ['Conv in one dimension', conv([4, 2, 8], { strides: [4], pads: [3, 2] }), { shape: ['b', 2, 31] }],
  ['Gemm', dense({}, [5, 4], [4]), { shape: ['b', 5], flatten: false }],
  [
    'Gemm transposed, with factors',
    dense({ transB: 1, alpha: { float: 0.7 }, beta: { float: 1.3 } }, [4, 5], [1, 4]),
    { shape: ['b', 5], flatten: false },
  ],
  [
    'MatMul and Add',
    (graph, input) =>
      graph.op('Add', [graph.op('MatMul', [input, weights(graph, [5, 4])]), weights(graph, [4])]),
    { shape: ['b', 3, 5] },
  ],
  [
    'two layers with ReLU and MaxPool',
    (graph, input) => {
      const first = graph.op('Relu', [conv([8, 2, 3, 3], { pads: [1, 1, 1, 1] })(graph, input)]);
      const pool = graph.op('MaxPool', [first], { kernel_shape: [2, 2], strides: [2, 2] });
      return conv([3, 8, 2, 2], {})(graph, pool);
    },
  ],
  [
    'a residual sum, AveragePool and GlobalAveragePool',
    (graph, input) => {
      const first = conv([8, 2, 3, 3], { pads: [1, 1, 1, 1] })(graph, input);
      const second = graph.op('Relu', [conv([8, 8, 3, 3], { pads: [1, 1, 1, 1] })(graph, first)]);
      const sum = graph.op('Add', [first, second]);
      const pool = graph.op('AveragePool', [sum], { kernel_shape: [2, 2], strides: [2, 2] });
      return graph.op('GlobalAveragePool', [graph.op('Relu', [pool])]);
    },
  ],
];

/** Operators whose constants are no weights of a convolution or a dense layer. */
const otherParameters: Case[] = [
  [
    'LayerNormalization',
    (graph, input) => graph.op('LayerNormalization', [input, weights(graph, [6], 4), weights(graph, [6], 5)]),
  ],
  ['PRelu', (graph, input) => graph.op('PRelu', [input, weights(graph, [2, 1, 1])])],
  [
    'Mul and Sub, from either side',
    (graph, input) => {
      const scaled = graph.op('Mul', [weights(graph, [6, 1]), input]);
      return graph.op('Sub', [weights(graph, [2, 1, 6], 4), graph.op('Sub', [scaled, weights(graph, [6])])]);
    },
  ],
  [
    'Div, from either side',
    (graph, input) => {
      const positive = graph.floats([6], [1, 2, 1.5, 0.8, 3, 1.2]);
      const divided = graph.op('Div', [graph.op('Softplus', [input]), positive]);
      return graph.op('Div', [weights(graph, [2, 1, 1]), divided]);
    },
  ],
];

/** All float32 constants of a file. */
function constantsOf(bytes: Uint8Array): Weight[] {
  const floats = loadModel(bytes).graph.initializer.filter(({ dataType }) => dataType === elementTypes.float);
  return floats.map((tensor) => ({
    name: tensor.name,
    shape: tensor.dims.map(Number),
    values: floatsOf(tensor),
  }));
}

describe('gradients by parameters', () => {
  it.each(otherParameters)('show the slope of finite differences: %s', async (_name, build, options) => {
    const bytes = smallModel(build, options);
    const errors = await slopeErrors(bytes, { own: constantsOf(bytes) });
    for (const error of Object.values(errors)) expect(error).toBeLessThan(5e-3);
  });

  it('are refused for an operator that takes one value a row, by name', async () => {
    const bytes = smallModel((graph, input) =>
      graph.op('Where', [graph.op('Greater', [input, weights(graph, [6])]), input, weights(graph, [6])]),
    );
    const fed = fedModel(bytes, { engine, parameters: ['small/floats_1'], gradient: 'parameters' });
    await expect(fed).rejects.toMatchObject({
      code: 'unsupported_operator',
      message: expect.stringContaining('no gradient by the parameter small/floats_1 of Where (small/Where)'),
    });
  });

  it.each(cases)('show the slope of finite differences: %s', async (_name, build, options) => {
    const errors = await slopeErrors(smallModel(build, options));
    expect(Object.keys(errors).length).toBeGreaterThan(1);
    for (const error of Object.values(errors)) expect(error).toBeLessThan(5e-3);
  });

  it.skipIf(sharedFolder === undefined)(
    'show the slope of finite differences on the shared LeNet-5 (skipped without ../shared)',
    async () => {
      const errors = await slopeErrors(readFileSync(`${sharedFolder}models/mnist-lenet5.onnx`), { low: 0 });
      expect(Object.keys(errors)).toHaveLength(10);
      for (const error of Object.values(errors)) expect(error).toBeLessThan(2e-2);
    },
  );
});

describe('gradients by the input of a model whose parameters are fed', () => {
  const build: Build = (graph, input) =>
    graph.op('Relu', [
      conv([8, 8, 3, 3], { pads: [1, 1, 1, 1] })(graph, conv([8, 2, 3, 3], {})(graph, input)),
    ]);

  it('are those of the model that holds them', async () => {
    const bytes = smallModel(build);
    const own = readWeights(bytes);
    const parameters = own.map(({ name }) => name);
    const fed = await fedModel(bytes, { engine, parameters, gradient: 'input' });
    const [theirs, ours] = [
      await engine.load(await gradientModel(bytes, { engine, head: 'cross-entropy' })),
      await engine.load(fed.bytes),
    ];
    const data = batch([2, 6, 6], theirs.outputs.find(({ name }) => name === 'logits')!.shape[1]);
    const expected = await theirs.run(data);
    const found = await ours.run({ ...data, ...fedWeights(own) });
    for (const name of ['logits', 'loss', 'gradient']) {
      const [one, other] = [found[name].data as Float32Array, expected[name].data as Float32Array];
      expect(one.length).toBe(other.length);
      for (const [index, value] of one.entries()) expect(value).toBeCloseTo(other[index], 3);
    }
  });

  it('follow the weights that a run is fed', async () => {
    const bytes = smallModel(build);
    const own = readWeights(bytes);
    const parameters = own.map(({ name }) => name);
    const fed = await fedModel(bytes, { engine, parameters, gradient: 'none' });
    const model = await engine.load(fed.bytes);
    const { x } = batch([2, 6, 6], 2);
    const zeros = own.map(({ name, shape, values }) => [
      name,
      float32Tensor(
        values.map(() => 0),
        shape,
      ),
    ]);
    const { logits } = await model.run({ x, ...Object.fromEntries(zeros) });
    expect((logits.data as Float32Array).every((value) => value === 0)).toBe(true);
  });

  it('are refused for a constant that the file does not have, or that moves nothing', async () => {
    const bytes = smallModel(build);
    const fed = (parameters: string[]) => fedModel(bytes, { engine, parameters, gradient: 'parameters' });
    await expect(fed(['nothing'])).rejects.toThrow(/no constant nothing/);
    const idle = smallModel((graph, input) => {
      graph.op('Add', [input, weights(graph, [1])], {}, 'unused');
      return graph.op('Relu', [input]);
    });
    await expect(
      fedModel(idle, { engine, parameters: ['small/floats'], gradient: 'parameters' }),
    ).rejects.toThrow(/small\/floats has no influence/);
  });
});

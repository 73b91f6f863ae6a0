import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import type { GraphBuilder } from '../../../gpu-worker/onnx/graph.ts';
import { gradientModel } from '../../../gpu-worker/onnx/input-gradient.ts';
import { float32Tensor } from '../../../shared/maths/tensor.ts';
import { slopeError } from './slope-error.ts';
import { type SmallModelOptions, smallModel, weights } from './small-model.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await createOrtEngine({ workers: 1 });
});
afterAll(() => engine.close());

type Build = (graph: GraphBuilder, input: string) => string;
type Case = [name: string, build: Build, options?: SmallModelOptions];

const conv =
  (shape: number[], attributes: Parameters<GraphBuilder['op']>[2]): Build =>
  (graph, input) =>
    graph.op('Conv', [input, weights(graph, shape), weights(graph, [shape[0]])], attributes);
const plain =
  (opType: string, attributes?: Parameters<GraphBuilder['op']>[2]): Build =>
  (graph, input) =>
    graph.op(opType, [input], attributes);
const onPositive =
  (build: Build): Build =>
  (graph, input) =>
    build(graph, graph.op('Softplus', [input]));

const convolutions: Case[] = [
  ['Conv with one channel', conv([4, 2, 3, 3], {})],
  ['Conv with stride and uneven padding', conv([4, 2, 3, 2], { strides: [2, 3], pads: [1, 0, 0, 1] })],
  ['Conv with dilation', conv([4, 2, 2, 2], { dilations: [2, 3], pads: [1, 2, 1, 0] })],
  ['Conv in groups', conv([4, 1, 3, 3], { group: 2, pads: [1, 1, 1, 1] })],
  ['Conv that pads by itself', conv([4, 2, 3, 2], { strides: [2, 2], auto_pad: 'SAME_UPPER' })],
  ['Conv that pads by itself, lower', conv([4, 2, 2, 2], { auto_pad: 'SAME_LOWER' })],
  ['Conv in one dimension', conv([4, 2, 8], { strides: [4], pads: [3, 2] }), { shape: ['b', 2, 31] }],
  ['Conv turned around', conv([3, 8, 3, 3], { pads: [1, 2, 0, 1] }), { shape: ['b', 8, 5, 6] }],
  ['Conv turned around, dilated', conv([3, 8, 2, 2], { dilations: [2, 1] }), { shape: ['b', 8, 5, 6] }],
  ['Conv padded beyond its kernel', conv([3, 8, 1, 1], { pads: [1, 1, 1, 1] }), { shape: ['b', 8, 3, 3] }],
];

const pools: Case[] = [
  ['MaxPool of tiles', plain('MaxPool', { kernel_shape: [2, 2], strides: [2, 2] })],
  [
    'MaxPool of tiles with a rest',
    plain('MaxPool', { kernel_shape: [2, 3], strides: [2, 3] }),
    { shape: ['b', 2, 7, 7] },
  ],
  [
    'MaxPool in one dimension',
    plain('MaxPool', { kernel_shape: [4], strides: [4] }),
    { shape: ['b', 3, 10] },
  ],
  [
    'MaxPool of overlapping windows',
    plain('MaxPool', { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }),
  ],
  ['MaxPool at every place', plain('MaxPool', { kernel_shape: [3, 2], dilations: [1, 2] })],
  ['MaxPool with gaps', plain('MaxPool', { kernel_shape: [2, 2], strides: [3, 3] })],
  [
    'MaxPool rounded up',
    plain('MaxPool', { kernel_shape: [2, 2], strides: [2, 2], ceil_mode: 1 }),
    { shape: ['b', 2, 5, 5] },
  ],
  ['MaxPool that pads by itself', plain('MaxPool', { kernel_shape: [3, 3], auto_pad: 'SAME_LOWER' })],
  ['AveragePool', plain('AveragePool', { kernel_shape: [2, 3], strides: [2, 1] })],
  [
    'AveragePool, padded',
    plain('AveragePool', { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }),
  ],
  [
    'AveragePool that counts its padding',
    plain('AveragePool', { kernel_shape: [3, 3], pads: [1, 0, 1, 2], count_include_pad: 1 }),
  ],
  [
    'AveragePool in one dimension',
    plain('AveragePool', { kernel_shape: [4], strides: [3], pads: [1, 2] }),
    { shape: ['b', 2, 11] },
  ],
  ['GlobalAveragePool', plain('GlobalAveragePool')],
  ['GlobalMaxPool', plain('GlobalMaxPool')],
];

const reductions: Case[] = [
  ['ReduceMean', plain('ReduceMean', { axes: [2, 3], keepdims: 0 })],
  ['ReduceMean that keeps its axes', plain('ReduceMean', { axes: [-1, 1], keepdims: 1 })],
  ['ReduceSum', (graph, input) => graph.op('ReduceSum', [input, graph.ints([1, -1])], { keepdims: 0 })],
  ['ReduceMax', plain('ReduceMax', { axes: [2], keepdims: 0 })],
  [
    'ReduceMean of operator set 18',
    (graph, input) => graph.op('ReduceMean', [input, graph.ints([2])]),
    { opset: 18 },
  ],
];

const activations: Case[] = [
  ['Relu', plain('Relu')],
  ['LeakyRelu', plain('LeakyRelu', { alpha: { float: 0.3 } })],
  ['Elu', plain('Elu', { alpha: { float: 0.7 } })],
  ['Sigmoid', plain('Sigmoid')],
  ['Tanh', plain('Tanh')],
  ['Softplus', plain('Softplus')],
  ['Softmax in the middle', (graph, input) => graph.op('Neg', [graph.op('Softmax', [input], { axis: 1 })])],
  ['LogSoftmax', plain('LogSoftmax', { axis: -1 })],
  ['Clip', (graph, input) => graph.op('Clip', [input, graph.floats([], [-1]), graph.floats([], [0.5])])],
  ['Clip from below', (graph, input) => graph.op('Clip', [input, graph.floats([], [-1])])],
];

const meanOf = (graph: GraphBuilder, tensor: string) =>
  graph.op('ReduceMean', [tensor], { axes: [1, 3], keepdims: 1 });
const arithmetic: Case[] = [
  [
    'Add of a constant with more dimensions',
    (graph, input) => graph.op('Add', [weights(graph, [1, 2, 6, 6]), input]),
  ],
  [
    'Sub, both ways',
    (graph, input) => {
      const constant = weights(graph, [2, 1, 1]);
      return graph.op('Add', [
        graph.op('Sub', [constant, input]),
        graph.op('Sub', [meanOf(graph, input), input]),
      ]);
    },
  ],
  ['Sum of three', (graph, input) => graph.op('Sum', [input, meanOf(graph, input), weights(graph, [6])])],
  ['Mul of two that depend on the input', (graph, input) => graph.op('Mul', [input, meanOf(graph, input)])],
  ['Mul by itself', (graph, input) => graph.op('Mul', [input, input])],
  [
    'Div of two that depend on the input',
    onPositive((graph, input) => graph.op('Div', [input, meanOf(graph, input)])),
  ],
  ['Div by the input', onPositive((graph, input) => graph.op('Div', [weights(graph, [6, 6]), input]))],
  ['Pow 2', (graph, input) => graph.op('Pow', [input, graph.floats([], [2])])],
  ['Pow 3', (graph, input) => graph.op('Pow', [input, graph.floats([1], [3])])],
  ['Exp', plain('Exp')],
  ['Log', onPositive(plain('Log'))],
  ['Sqrt', onPositive(plain('Sqrt'))],
  ['Abs', plain('Abs')],
  ['Neg', plain('Neg')],
  ['Identity', plain('Identity')],
  ['Dropout at inference', plain('Dropout')],
  ['Cast to its own type', plain('Cast', { to: 1 })],
];

const shaping: Case[] = [
  ['Reshape', (graph, input) => graph.op('Abs', [graph.op('Reshape', [input, graph.ints([-1, 8, 9])])])],
  [
    'Reshape that gives the batch more rows',
    (graph, input) => {
      const split = graph.op('Reshape', [input, graph.ints([-1, 6, 6])]);
      return graph.op('Reshape', [graph.op('Softmax', [split], { axis: -1 }), graph.ints([-1, 2, 36])]);
    },
  ],
  ['Transpose', plain('Transpose', { perm: [0, 2, 3, 1] })],
  [
    'Unsqueeze and Squeeze',
    (graph, input) => {
      const wider = graph.op('Unsqueeze', [input, graph.ints([2])]);
      return graph.op('Squeeze', [graph.op('Tanh', [wider]), graph.ints([2])]);
    },
  ],
  [
    'Concat',
    (graph, input) =>
      graph.op('Concat', [input, graph.op('Exp', [input]), graph.op('Tanh', [input])], { axis: -3 }),
  ],
  [
    'Slice',
    (graph, input) =>
      graph.op('Slice', [input, graph.ints([1, -3]), graph.ints([99, -1]), graph.ints([2, -1])]),
  ],
  [
    'Slice with steps of 1',
    (graph, input) => graph.op('Slice', [input, ...[[0], [2], [3], [1]].map((values) => graph.ints(values))]),
  ],
  ['Pad', (graph, input) => graph.op('Pad', [input, graph.ints([0, 0, 1, 2, 0, 1, 0, 0])])],
];

const linear: Case[] = [
  [
    'Gemm',
    (graph, input) =>
      graph.op('Gemm', [input, weights(graph, [7, 5]), weights(graph, [5])], { alpha: { float: 0.5 } }),
    { shape: ['b', 7] },
  ],
  [
    'Gemm, transposed',
    (graph, input) => graph.op('Gemm', [input, weights(graph, [5, 7])], { transB: 1 }),
    { shape: ['b', 7] },
  ],
  ['MatMul', (graph, input) => graph.op('MatMul', [input, weights(graph, [6, 4])])],
  ['MatMul from the left', (graph, input) => graph.op('MatMul', [weights(graph, [4, 6]), input])],
  [
    'MatMul of two that depend on the input',
    (graph, input) => graph.op('MatMul', [input, graph.op('Transpose', [input], { perm: [0, 1, 3, 2] })]),
  ],
  [
    'BatchNormalization',
    (graph, input) => {
      const positive = graph.floats([2], [0.5, 2]);
      return graph.op('BatchNormalization', [
        input,
        weights(graph, [2]),
        weights(graph, [2]),
        weights(graph, [2]),
        positive,
      ]);
    },
  ],
];

describe('gradient rules agree with finite differences', () => {
  it.each([...convolutions, ...pools, ...reductions, ...activations, ...arithmetic, ...shaping, ...linear])(
    '%s',
    async (_name, build, options) => {
      expect(await slopeError(engine, smallModel(build, options))).toBeLessThan(2e-3);
    },
  );

  it('of ties in a max pool only the first gets the gradient', async () => {
    const bytes = smallModel(plain('MaxPool', { kernel_shape: [2, 2], strides: [1, 1] }), {
      shape: ['b', 1, 2, 3],
    });
    const model = await engine.load(await gradientModel(bytes, { engine, head: 'seed' }));
    const x = float32Tensor(new Float32Array(6).fill(1), [1, 1, 2, 3]);
    const seed = float32Tensor(Float32Array.of(10, 1), [1, 2]);
    // By hand: the windows start at the first and the second element.
    expect([...(await model.run({ x, seed })).gradient.data]).toEqual([10, 1, 0, 0, 0, 0]);
    await model.release();
  });

  it('of ties in a maximum over an axis all get the same share', async () => {
    const bytes = smallModel(plain('ReduceMax', { axes: [3], keepdims: 0 }), { shape: ['b', 1, 2, 2] });
    const model = await engine.load(await gradientModel(bytes, { engine, head: 'seed' }));
    const x = float32Tensor(Float32Array.of(3, 3, 1, 2), [1, 1, 2, 2]);
    const seed = float32Tensor(Float32Array.of(10, 1), [1, 2]);
    expect([...(await model.run({ x, seed })).gradient.data]).toEqual([5, 5, 0, 1]);
    await model.release();
  });

  it('of a rectifier is 1 above 0, however little or much, and 0 at 0 and below', async () => {
    const bytes = smallModel(plain('Relu'), { shape: ['b', 6] });
    const model = await engine.load(await gradientModel(bytes, { engine, head: 'seed' }));
    const x = float32Tensor(Float32Array.of(1e-20, 3e30, 0, -0, -1e-20, -3e30), [1, 6]);
    const seed = float32Tensor(Float32Array.of(1, 2, 3, 4, 5, 6), [1, 6]);
    expect([...(await model.run({ x, seed })).gradient.data]).toEqual([1, 2, 0, 0, 0, 0]);
    await model.release();
  });

  it('of a mean spreads the gradient in equal shares', async () => {
    const bytes = smallModel(plain('ReduceMean', { axes: [-1, 2], keepdims: 0 }), {
      shape: ['b', 2, 2, 2],
    });
    const model = await engine.load(await gradientModel(bytes, { engine, head: 'seed' }));
    const x = float32Tensor(new Float32Array(16), [2, 2, 2, 2]);
    const seed = float32Tensor(Float32Array.of(4, 8, 12, 16), [2, 2]);
    const shares = [1, 2, 3, 4].flatMap((share) => Array(4).fill(share));
    expect([...(await model.run({ x, seed })).gradient.data]).toEqual(shares);
    await model.release();
  });
});

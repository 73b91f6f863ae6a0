import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../../../gpu-worker/engine/ort-engine.ts';
import type { GraphBuilder } from '../../../../gpu-worker/onnx/graph.ts';
import { type SlopeOptions, slopeError } from '../slope-error.ts';
import { makeNode, type SmallModelOptions, smallModel, weights } from '../small-model.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await createOrtEngine({ workers: 1 });
});
afterAll(() => engine.close());

type Build = (graph: GraphBuilder, input: string) => string;
type Case = [name: string, build: Build, options?: SmallModelOptions & SlopeOptions];

const plain =
  (opType: string, attributes?: Parameters<GraphBuilder['op']>[2]): Build =>
  (graph, input) =>
    graph.op(opType, [input], attributes);
const withInts =
  (opType: string, ...inputs: number[][]): Build =>
  (graph, input) =>
    graph.op(opType, [input, ...inputs.map((values) => graph.ints(values))]);

const channels = { shape: ['b', 6, 4, 3] } as const;
const scaleAndBias = (graph: GraphBuilder, shape: number[]) => [
  weights(graph, shape, 4),
  weights(graph, shape, 5),
];

const normalisations: Case[] = [
  [
    'LayerNormalization over the last axis',
    (graph, input) => graph.op('LayerNormalization', [input, ...scaleAndBias(graph, [6])]),
  ],
  [
    'LayerNormalization over two axes, without a bias',
    (graph, input) => graph.op('LayerNormalization', [input, weights(graph, [6, 6])], { axis: 2 }),
  ],
  [
    'InstanceNormalization',
    (graph, input) => graph.op('InstanceNormalization', [input, ...scaleAndBias(graph, [2])]),
  ],
  [
    'GroupNormalization with a scale a group',
    (graph, input) => graph.op('GroupNormalization', [input, ...scaleAndBias(graph, [3])], { num_groups: 3 }),
    { ...channels, opset: 18 },
  ],
  [
    'GroupNormalization with a scale a channel',
    (graph, input) => graph.op('GroupNormalization', [input, ...scaleAndBias(graph, [6])], { num_groups: 2 }),
    { ...channels, opset: 21 },
  ],
  ['LpNormalization', plain('LpNormalization', { axis: 1 })],
  ['LpNormalization by l1', plain('LpNormalization', { axis: -1, p: 1 })],
  [
    'LRN over an odd number of channels',
    plain('LRN', { size: 3, alpha: { float: 0.5 }, beta: { float: 0.6 }, bias: { float: 2 } }),
    channels,
  ],
];

const selections: Case[] = [
  ['Gather of one', (graph, input) => graph.op('Gather', [input, graph.scalarInt(-2)], { axis: 2 })],
  ['Gather with repeats', (graph, input) => graph.op('Gather', [input, graph.ints([3, 0, 3])], { axis: 3 })],
  ['Expand', withInts('Expand', [1, 2, 6, 6]), { shape: ['b', 1, 6, 1] }],
  ['Tile', withInts('Tile', [1, 3, 1, 2])],
  ['Trilu', plain('Trilu', { upper: 0 })],
  ['CumSum', (graph, input) => graph.op('CumSum', [input, graph.scalarInt(2)], { exclusive: 1 })],
  ['CumSum from behind', (graph, input) => graph.op('CumSum', [input, graph.scalarInt(-1)], { reverse: 1 })],
  ['Slice with steps', withInts('Slice', [1, 5], [99, 0], [2, 3], [2, -2])],
  ['Slice that names the batch', withInts('Slice', [0, 1], [2 ** 40, 4], [0, 2])],
  ['Pad by reflection', padBy('reflect')],
  ['Pad by its edge', padBy('edge')],
  ['Pad all around', padBy('wrap'), { opset: 19 }],
  ['DepthToSpace', plain('DepthToSpace', { blocksize: 2 }), { shape: ['b', 8, 2, 3] }],
  ['SpaceToDepth', plain('SpaceToDepth', { blocksize: 3 })],
  [
    'Split, one part of it unused',
    (graph, input) => {
      const sizes = graph.ints([1, 3, 2]);
      const parts = makeNode(graph, 'Split', [input, sizes], { outputs: 3, attributes: { axis: 2 } });
      return graph.op('Concat', [graph.op('Exp', [parts[0]]), parts[2]], { axis: 2 });
    },
  ],
  [
    'TopK',
    (graph, input) =>
      makeNode(graph, 'TopK', [input, graph.ints([2])], { outputs: 2, attributes: { axis: 3 } })[0],
  ],
];

function padBy(mode: string): Build {
  return (graph, input) => graph.op('Pad', [input, graph.ints([0, 0, 2, 1, 0, 0, 0, 3])], { mode });
}

const reductions: Case[] = [
  ['ReduceMin', plain('ReduceMin', { axes: [2], keepdims: 0 })],
  ['ReduceL1', plain('ReduceL1', { axes: [1, 2], keepdims: 0 })],
  ['ReduceL2', plain('ReduceL2', { axes: [3], keepdims: 0 })],
  ['ReduceSumSquare', plain('ReduceSumSquare', { axes: [1], keepdims: 1 })],
  ['ReduceLogSum', plain('ReduceLogSum', { axes: [3], keepdims: 0 }), { range: [0.5, 2] }],
  ['ReduceLogSumExp', plain('ReduceLogSumExp', { axes: [2], keepdims: 0 })],
  ['ReduceL2 of operator set 18', withInts('ReduceL2', [2, 3]), { opset: 18 }],
];

const windows: Case[] = [
  [
    'Conv of each channel by itself',
    depthwise({ kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }),
  ],
  ['Conv of each channel by itself, dilated', depthwise({ dilations: [2, 1], pads: [1, 2, 0, 1] })],
  ['ConvTranspose', transposed({ strides: [2, 3], pads: [1, 0, 0, 1], output_padding: [1, 2] })],
  ['ConvTranspose in groups', transposed({ group: 2 })],
  ['AveragePool rounded up', plain('AveragePool', { kernel_shape: [4, 3], strides: [3, 2], ceil_mode: 1 })],
  [
    'AveragePool rounded up and padded',
    plain('AveragePool', { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1], ceil_mode: 1 }),
  ],
  ['AveragePool with gaps', plain('AveragePool', { kernel_shape: [2, 2], strides: [3, 3] })],
  ['AveragePool that pads by itself', plain('AveragePool', { kernel_shape: [3, 2], auto_pad: 'SAME_LOWER' })],
  [
    'AveragePool with dilation',
    plain('AveragePool', { kernel_shape: [2, 2], dilations: [2, 3], pads: [1, 1, 1, 1] }),
    { opset: 19 },
  ],
  [
    'MaxPool rounded up and padded',
    plain('MaxPool', { kernel_shape: [3, 3], strides: [2, 2], pads: [0, 0, 1, 1], ceil_mode: 1 }),
  ],
];

function depthwise(attributes: Parameters<GraphBuilder['op']>[2]): Build {
  return (graph, input) =>
    graph.op('Conv', [input, weights(graph, [4, 1, 3, 3]), weights(graph, [4])], { ...attributes, group: 2 });
}

function transposed(attributes: Parameters<GraphBuilder['op']>[2]): Build {
  return (graph, input) => graph.op('ConvTranspose', [input, weights(graph, [2, 3, 3, 3])], attributes);
}

const products: Case[] = [
  [
    'MatMul of heads',
    (graph, input) => {
      const scores = graph.op('MatMul', [input, graph.op('Transpose', [input], { perm: [0, 1, 3, 2] })]);
      return graph.op('MatMul', [graph.op('Softmax', [scores], { axis: -1 }), input]);
    },
    { range: [-1, 1] },
  ],
  ['MatMul with broadcast weights', (graph, input) => graph.op('MatMul', [input, weights(graph, [2, 6, 3])])],
  [
    'MatMul with weights that a node transposes',
    (graph, input) => {
      const turned = graph.op('Transpose', [weights(graph, [4, 6])], { perm: [1, 0] });
      return graph.op('MatMul', [input, turned]);
    },
  ],
  [
    'Einsum of two that depend on the input',
    (graph, input) => graph.op('Einsum', [input, input], { equation: 'bhid, bhjd -> bhij' }),
  ],
];

describe('gradient rules agree with finite differences, along axes', () => {
  it.each([...normalisations, ...selections, ...reductions, ...windows, ...products])(
    '%s',
    async (_name, build, options) => {
      expect(await slopeError(engine, smallModel(build, options), options)).toBeLessThan(2e-3);
    },
  );
});

describe('the operator sets after 16', () => {
  it.each([18, 19, 20, 21, 22])('have the operators that a backward pass adds: %i', async (opset) => {
    const build: Build = (graph, input) => {
      const maps = graph.op('Conv', [input, weights(graph, [4, 2, 3, 3])], { pads: [1, 1, 1, 1] });
      const tiles = graph.op('MaxPool', [maps], { kernel_shape: [2, 2], strides: [2, 2] });
      const pooled = graph.op('MaxPool', [tiles], { kernel_shape: [2, 2] });
      const mean = graph.op('AveragePool', [pooled], { kernel_shape: [2, 2] });
      const top = graph.op('ReduceMax', [tiles, graph.ints([2, 3])]);
      return graph.op('Gather', [graph.op('Mul', [mean, top]), graph.ints([2, 0])], { axis: 1 });
    };
    expect(await slopeError(engine, smallModel(build, { opset }))).toBeLessThan(2e-3);
  });
});

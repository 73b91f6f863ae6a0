import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../../../gpu-worker/engine/ort-engine.ts';
import type { GraphBuilder } from '../../../../gpu-worker/onnx/graph.ts';
import { type SlopeOptions, slopeError } from '../slope-error.ts';
import { type SmallModelOptions, smallModel, weights } from '../small-model.ts';

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
const inside = { range: [-0.9, 0.9] } as const;
const aboveOne = { range: [1.2, 3] } as const;
const meanOf = (graph: GraphBuilder, tensor: string) =>
  graph.op('ReduceMean', [tensor], { axes: [1, 3], keepdims: 1 });

const activations: Case[] = [
  ['Gelu', plain('Gelu'), { opset: 20 }],
  ['Gelu by its tanh', plain('Gelu', { approximate: 'tanh' }), { opset: 20 }],
  ['HardSigmoid', plain('HardSigmoid', { alpha: { float: 0.4 }, beta: { float: 0.4 } })],
  ['HardSwish', plain('HardSwish'), { range: [-4, 4] }],
  ['Mish', plain('Mish'), { opset: 18 }],
  ['Softsign', plain('Softsign')],
  ['Selu', plain('Selu')],
  ['Celu', plain('Celu', { alpha: { float: 0.6 } })],
  ['ThresholdedRelu', plain('ThresholdedRelu', { alpha: { float: 0.7 } })],
  ['PRelu with a slope a channel', (graph, input) => graph.op('PRelu', [input, weights(graph, [2, 1, 1])])],
  ['Erf', plain('Erf')],
];

const functions: Case[] = [
  ['Sin', plain('Sin')],
  ['Cos', plain('Cos')],
  ['Tan', plain('Tan'), inside],
  ['Asin', plain('Asin'), inside],
  ['Acos', plain('Acos'), inside],
  ['Atan', plain('Atan')],
  ['Sinh', plain('Sinh')],
  ['Cosh', plain('Cosh')],
  ['Asinh', plain('Asinh')],
  ['Acosh', plain('Acosh'), aboveOne],
  ['Atanh', plain('Atanh'), inside],
  ['Reciprocal', plain('Reciprocal'), aboveOne],
];

const arithmetic: Case[] = [
  [
    'Pow with an exponent an element',
    (graph, input) => graph.op('Pow', [input, graph.floats([6], [1, 2, 3, 2.5, 1, 0.5])]),
    aboveOne,
  ],
  ['Pow with a whole exponent', (graph, input) => graph.op('Pow', [input, graph.ints([3])])],
  [
    'Pow whose exponent depends on the input',
    (graph, input) => graph.op('Pow', [input, meanOf(graph, input)]),
    aboveOne,
  ],
  [
    'Max of three, broadcast',
    (graph, input) => graph.op('Max', [input, weights(graph, [6]), graph.op('Neg', [input])]),
  ],
  ['Min', (graph, input) => graph.op('Min', [input, graph.floats([], [0.3])])],
  ['Mean', (graph, input) => graph.op('Mean', [input, meanOf(graph, input), weights(graph, [6, 6])])],
  [
    'Where',
    (graph, input) => {
      const isAbove = graph.op('Greater', [input, graph.floats([], [0.5])]);
      return graph.op('Where', [isAbove, graph.op('Exp', [input]), meanOf(graph, input)]);
    },
  ],
  [
    'steps beside a slope',
    (graph, input) => {
      const scaled = graph.op('Mul', [input, graph.floats([], [0.501])]);
      const steps = ['Floor', 'Ceil', 'Round', 'Sign'].map((opType) => graph.op(opType, [scaled]));
      return graph.op('Mul', [input, graph.op('Sum', steps)]);
    },
  ],
  ['CastLike', (graph, input) => graph.op('CastLike', [graph.op('Exp', [input]), graph.floats([], [0])])],
];

describe('gradient rules agree with finite differences, element by element', () => {
  it.each([...activations, ...functions, ...arithmetic])('%s', async (_name, build, options) => {
    expect(await slopeError(engine, smallModel(build, options), options)).toBeLessThan(2e-3);
  });
});

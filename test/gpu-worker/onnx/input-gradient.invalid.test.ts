import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import type { GraphBuilder } from '../../../gpu-worker/onnx/graph.ts';
import { gradientModel } from '../../../gpu-worker/onnx/input-gradient.ts';
import { smallModel } from './small-model.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await createOrtEngine({ workers: 1 });
});
afterAll(() => engine.close());

type Case = [name: string, build: (graph: GraphBuilder, input: string) => string];

describe('gradientModel refuses what it has no rule for, and names the node', () => {
  const refusals: Case[] = [
    ['an unknown operator', (graph, input) => graph.op('Erf', [input], {}, 'culprit')],
    [
      'weights from the input',
      (graph, input) => {
        const kernel = graph.op('Slice', [input, graph.ints([0]), graph.ints([1]), graph.ints([0])]);
        // Ones whatever the input is, so that rows stay independent of each other.
        const ones = graph.op('Sign', [graph.op('Exp', [kernel])]);
        return graph.op('Conv', [input, ones], { pads: [1, 1, 1, 1] }, 'culprit');
      },
    ],
    [
      'a slice with a step',
      (graph, input) =>
        graph.op(
          'Slice',
          [input, ...[[0], [6], [3], [2]].map((values) => graph.ints(values))],
          {},
          'culprit',
        ),
    ],
    [
      'padding by reflection',
      (graph, input) =>
        graph.op('Pad', [input, graph.ints([0, 0, 1, 1, 0, 0, 1, 1])], { mode: 'reflect' }, 'culprit'),
    ],
    [
      'a pool by columns',
      (graph, input) => graph.op('MaxPool', [input], { kernel_shape: [2, 2], storage_order: 1 }, 'culprit'),
    ],
    [
      'an average pool rounded up',
      (graph, input) =>
        graph.op('AveragePool', [input], { kernel_shape: [4, 4], strides: [3, 3], ceil_mode: 1 }, 'culprit'),
    ],
    [
      'several exponents',
      (graph, input) => graph.op('Pow', [input, graph.floats([6], [1, 2, 1, 2, 1, 2])], {}, 'culprit'),
    ],
  ];

  it.each(refusals)('%s', async (_name, build) => {
    await expect(gradientModel(smallModel(build), { engine, head: 'seed' })).rejects.toMatchObject({
      code: 'unsupported_operator',
      message: expect.stringContaining('culprit'),
    });
  });

  it('logits that the input does not reach by a gradient', async () => {
    const bytes = smallModel((graph, input) => {
      const shape = graph.op('Cast', [graph.op('Shape', [input])], { to: 1 });
      const zeros = graph.op('Mul', [
        graph.op('Cast', [graph.op('Cast', [input], { to: 7 })], { to: 1 }),
        graph.floats([], [0]),
      ]);
      return graph.op('Add', [zeros, graph.op('ReduceSum', [shape])]);
    });
    await expect(gradientModel(bytes, { engine, head: 'seed' })).rejects.toMatchObject({
      code: 'invalid_model',
    });
  });
});

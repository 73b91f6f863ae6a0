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
    ['an unknown operator', (graph, input) => graph.op('Hardmax', [input], {}, 'culprit')],
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
      'a pool by columns',
      (graph, input) => graph.op('MaxPool', [input], { kernel_shape: [2, 2], storage_order: 1 }, 'culprit'),
    ],
    [
      'an average pool rounded up that counts its padding',
      (graph, input) => {
        const attributes = { kernel_shape: [4, 4], strides: [3, 3], ceil_mode: 1, count_include_pad: 1 };
        return graph.op('AveragePool', [input], attributes, 'culprit');
      },
    ],
    [
      'a recurrent layer',
      (graph, input) => {
        const sequence = graph.op('Reshape', [input, graph.ints([0, 12, 6])]);
        const steps = graph.op('Transpose', [sequence], { perm: [1, 0, 2] });
        const cells = [
          graph.floats([1, 3, 6], new Float32Array(18).fill(0.1)),
          graph.floats([1, 3, 3], new Float32Array(9).fill(0.1)),
        ];
        const states = graph.op('RNN', [steps, ...cells], { hidden_size: 3 }, 'culprit');
        return graph.op('Transpose', [states], { perm: [2, 0, 1, 3] });
      },
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

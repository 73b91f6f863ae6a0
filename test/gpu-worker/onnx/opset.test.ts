import { create } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import { makeAttribute } from '../../../gpu-worker/onnx/attributes.ts';
import { forwardModel } from '../../../gpu-worker/onnx/forward-model.ts';
import { buildOn, type GraphBuilder } from '../../../gpu-worker/onnx/graph.ts';
import { gradientModel } from '../../../gpu-worker/onnx/input-gradient.ts';
import { loadModel, saveModel } from '../../../gpu-worker/onnx/model-file.ts';
import { raiseForGradients } from '../../../gpu-worker/onnx/opset.ts';
import { AttributeProtoSchema, attributeTypes } from '../../../gpu-worker/onnx/schema/messages.ts';
import { seededRandom } from '../../../shared/maths/random.ts';
import { float32Tensor } from '../../../shared/maths/tensor.ts';
import { slopeError } from './slope-error.ts';
import { makeNode, smallModel, weights } from './small-model.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await createOrtEngine({ workers: 1 });
});
afterAll(() => engine.close());

const float = (value: number) => ({ float: value });
type Build = (graph: GraphBuilder, input: string) => string;
/** Operators as the oldest set that has them in that form wrote them. */
const cases: [name: string, opset: number, build: Build][] = [
  [
    'Clip by attributes',
    7,
    (graph, input) => graph.op('Clip', [input], { min: float(0.2), max: float(0.7) }),
  ],
  ['Clip by one attribute', 9, (graph, input) => graph.op('Clip', [input], { min: float(0.4) })],
  [
    'Pad by attributes',
    8,
    (graph, input) => graph.op('Pad', [input], { pads: [0, 0, 1, 0, 0, 0, 0, 2], value: float(0.5) }),
  ],
  [
    'Slice by attributes',
    9,
    (graph, input) => graph.op('Slice', [input], { starts: [1, 0], ends: [5, -1], axes: [2, 3] }),
  ],
  [
    'TopK by an attribute',
    9,
    (graph, input) => makeNode(graph, 'TopK', [input], { outputs: 2, attributes: { k: 3, axis: 3 } })[0],
  ],
  [
    'Squeeze and Unsqueeze by attributes',
    11,
    (graph, input) => {
      const wider = graph.op('Tanh', [graph.op('Unsqueeze', [input], { axes: [1, 3] })]);
      return graph.op('Squeeze', [wider], { axes: [1] });
    },
  ],
  [
    'ReduceSum by an attribute',
    12,
    (graph, input) => graph.op('ReduceSum', [graph.op('Exp', [input])], { axes: [2], keepdims: 0 }),
  ],
  [
    'Split by an attribute',
    11,
    (graph, input) => {
      const attributes = { axis: 3, split: [1, 2, 3] };
      const parts = makeNode(graph, 'Split', [input], { outputs: 3, attributes });
      return graph.op('Concat', [parts[2], graph.op('Exp', [parts[1]])], { axis: 3 });
    },
  ],
  ['Dropout with a ratio', 10, (graph, input) => graph.op('Dropout', [input], { ratio: float(0.3) })],
  [
    'Softmax of all axes from the second on',
    12,
    (graph, input) => graph.op('Exp', [graph.op('Softmax', [input])]),
  ],
  [
    'Softmax of all axes from the third on',
    11,
    (graph, input) => graph.op('Exp', [graph.op('Softmax', [input], { axis: 2 })]),
  ],
  [
    'LogSoftmax of the last axis',
    9,
    (graph, input) => graph.op('Exp', [graph.op('LogSoftmax', [input], { axis: -1 })]),
  ],
  [
    'BatchNormalization of set 8',
    8,
    (graph, input) => {
      const positive = graph.floats([2], [0.5, 2]);
      const parameters = [weights(graph, [2]), weights(graph, [2]), weights(graph, [2]), positive];
      return graph.op('BatchNormalization', [input, ...parameters]);
    },
  ],
  [
    'ReduceMean by an attribute',
    17,
    (graph, input) => graph.op('ReduceMean', [graph.op('Exp', [input])], { axes: [2] }),
  ],
];

const x = (() => {
  const random = seededRandom(3);
  return float32Tensor(Float32Array.from({ length: 3 * 72 }, random), [3, 2, 6, 6]);
})();

async function logitsOf(bytes: Uint8Array, input = 'x'): Promise<number[]> {
  const model = await engine.load(bytes);
  const [{ data }] = Object.values(await model.run({ [input]: x }));
  await model.release();
  return [...(data as Float32Array)];
}

describe('a model of an older operator set', () => {
  it.each(cases)('means the same when it is raised: %s of set %i', async (_name, opset, build) => {
    const bytes = smallModel(build, { opset });
    const raised = loadModel(bytes);
    raiseForGradients(raised);
    const expected = await logitsOf(bytes, 'input');
    const found = await logitsOf(saveModel(raised), 'input');
    expect(found.length).toBe(expected.length);
    for (const [index, value] of found.entries()) expect(value).toBeCloseTo(expected[index], 5);
  });

  it.each(cases)(
    'has the gradient that finite differences show: %s of set %i',
    async (_name, opset, build) => {
      const options = { range: [0.013, 0.98], steps: [3e-3, 1e-3, 3e-4] } as const;
      expect(await slopeError(engine, smallModel(build, { opset }), options)).toBeLessThan(2e-3);
    },
  );

  it('has its enlargements written as those of today', async () => {
    const bytes = smallModel(
      (graph, input) => {
        const larger = graph.op('Upsample', [input], { mode: 'nearest' });
        graph.producer(larger)!.attribute.push(
          create(AttributeProtoSchema, {
            name: 'scales',
            type: attributeTypes.floats,
            floats: [1, 1, 2, 3],
          }),
        );
        return larger;
      },
      { opset: 8 },
    );
    const raised = loadModel(bytes);
    raiseForGradients(raised);
    expect(await logitsOf(saveModel(raised), 'input')).toEqual(await logitsOf(bytes, 'input'));
  });

  it('is taken before a softmax at its end all the same', async () => {
    const ends = (opType: 'Identity' | 'Softmax') =>
      smallModel((graph, input) => graph.op(opType, [graph.op('Flatten', [input])]), {
        opset: 11,
        flatten: false,
      });
    const [plain, probabilities] = [ends('Identity'), ends('Softmax')];
    expect(await logitsOf(await forwardModel(probabilities, { engine }))).toEqual(
      await logitsOf(await forwardModel(plain, { engine })),
    );
    const graph = loadModel(await gradientModel(probabilities, { engine, head: 'seed' })).graph;
    expect(graph.node.some(({ opType }) => opType === 'Softmax')).toBe(false);
  });

  it('is refused where its statistics are those of each place', () => {
    const model = loadModel(
      smallModel(
        (graph, input) => {
          const constant = graph.floats([2], [1, 1]);
          return graph.op(
            'BatchNormalization',
            [input, constant, constant, constant, constant],
            {},
            'culprit',
          );
        },
        { opset: 8 },
      ),
    );
    buildOn(model, 'own').producer('culprit')!.attribute.push(makeAttribute('spatial', 0));
    expect(() => raiseForGradients(model)).toThrow(
      expect.objectContaining({ code: 'unsupported_operator', message: expect.stringContaining('culprit') }),
    );
  });
});

// Models that are more than layers of float32: what runs, and what is refused with its reason.
import { create } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import { compileModel } from '../../../gpu-worker/extraction/compile-model.ts';
import { makeAttribute } from '../../../gpu-worker/onnx/attributes.ts';
import { forwardModel } from '../../../gpu-worker/onnx/forward-model.ts';
import { buildOn, type GraphBuilder, newModel } from '../../../gpu-worker/onnx/graph.ts';
import { gradientModel } from '../../../gpu-worker/onnx/input-gradient.ts';
import { loadModel, saveModel } from '../../../gpu-worker/onnx/model-file.ts';
import {
  AttributeProtoSchema,
  elementTypes,
  GraphProtoSchema,
  OperatorSetIdProtoSchema,
  TensorProtoSchema,
} from '../../../gpu-worker/onnx/schema/messages.ts';
import type { ExtractionPlan } from '../../../shared/contracts/extraction.ts';
import { float32Tensor } from '../../../shared/maths/tensor.ts';
import { importNoiseKey, type NoiseKey } from '../../../shared/noise/noise-key.ts';
import { slopeError } from '../onnx/slope-error.ts';
import { makeNode, smallModel, weights } from '../onnx/small-model.ts';
import { recurrentNet } from '../onnx/zoo/sequence-nets.ts';
import { expectPlainDefinition } from './plain-definition.ts';

let engine: Engine;
let noiseKey: NoiseKey;
beforeAll(async () => {
  engine = await createOrtEngine({ workers: 1 });
  noiseKey = await importNoiseKey(new Uint8Array(32).fill(9));
});
afterAll(() => engine.close());

const plan: ExtractionPlan = {
  input_range: [0, 1],
  noise: [{ family: 'uniform', epsilon: 0.3, rows: 4, copies: 2 }],
  transforms: [],
  taps: [],
};
const compiled = (bytes: Uint8Array, taps: ExtractionPlan['taps'] = []) =>
  compileModel(bytes, { name: 'm', plan: { ...plan, taps }, noiseKey, engine });

async function logitsOf(bytes: Uint8Array, values: readonly number[]): Promise<number[]> {
  const model = await engine.load(await forwardModel(bytes, { engine }));
  const [, ...shape] = model.inputs[0].shape;
  const { logits } = await model.run({ x: float32Tensor(Float32Array.from(values), [1, ...shape]) });
  await model.release();
  return [...(logits.data as Float32Array)];
}

/** A constant of bytes. */
function bytesConstant(
  graph: GraphBuilder,
  shape: number[],
  values: number[],
  type: 'uint8' | 'int8' | 'bool',
): string {
  const name = graph.freeName(type);
  const tensor = { name, dims: shape.map(BigInt), dataType: elementTypes[type], int32Data: values };
  graph.model.graph.initializer.push(create(TensorProtoSchema, tensor));
  return name;
}

/** Quantises and takes it back, as a layer of a quantised model reads its input. */
function roundTrip(graph: GraphBuilder, input: string): string {
  const grid = [graph.floats([], [1 / 64]), bytesConstant(graph, [], [10], 'uint8')];
  return graph.op('DequantizeLinear', [
    graph.op('QuantizeLinear', [input, ...grid], {}, 'quantised'),
    ...grid,
  ]);
}

const quantised = () =>
  smallModel(
    (graph, input) => {
      const wide = bytesConstant(graph, [4, 3], [90, -20, 7, 3, 55, -61, 120, 9, -77, 30, 31, -5], 'int8');
      const scale = graph.floats([], [0.02]);
      const kernel = graph.op('DequantizeLinear', [wide, scale, bytesConstant(graph, [], [0], 'int8')]);
      return graph.op('MatMul', [roundTrip(graph, input), kernel]);
    },
    { shape: ['b', 4], flatten: false },
  );

const quantisedLinear = () =>
  smallModel(
    (graph, input) => {
      const grid = () => [graph.floats([], [1 / 64]), bytesConstant(graph, [], [0], 'uint8')];
      const [own, out] = [grid(), grid()];
      const kernel = bytesConstant(graph, [4, 3], [9, -2, 7, 3, 5, -6, 12, 9, -7, 3, 3, -5], 'int8');
      const kernelGrid = [graph.floats([], [0.1]), bytesConstant(graph, [], [0], 'int8')];
      const read = graph.op('QuantizeLinear', [input, ...own]);
      const product = graph.op('QLinearMatMul', [read, ...own, kernel, ...kernelGrid, ...out]);
      return graph.op('DequantizeLinear', [product, ...out]);
    },
    { shape: ['b', 4], flatten: false },
  );

/** The bits of a float16 whose value is a multiple of 1/64 between -4 and 4. */
function half(value: number): number {
  if (value === 0) return 0;
  const exponent = Math.floor(Math.log2(Math.abs(value)));
  const fraction = Math.round((Math.abs(value) / 2 ** exponent - 1) * 1024);
  return (value < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | fraction;
}

const kernel = [0.5, -1.25, 0.75, 0.015625, 2, -0.5, 1, 0.25, -3, 0.125, 1.5, -2];

/** A dense layer in half precision: at its ends too, or between casts; its constant as raw bytes or as integers. */
function halfModel({
  ends,
  raw,
  type,
}: {
  ends: boolean;
  raw: boolean;
  type: 'half' | 'brainHalf';
}): Uint8Array {
  const model = newModel('half', 17);
  const graph = buildOn(model, 'own');
  const input = graph.input('input', ['batch', 4], ends ? type : 'float');
  const bits = kernel.map((value) =>
    type === 'half' ? half(value) : new Uint32Array(Float32Array.of(value).buffer)[0] >>> 16,
  );
  const constant = { name: 'kernel', dims: [4n, 3n], dataType: elementTypes[type] };
  const content = raw ? { rawData: new Uint8Array(Uint16Array.from(bits).buffer) } : { int32Data: bits };
  model.graph.initializer.push(create(TensorProtoSchema, { ...constant, ...content }));
  const cast = (tensor: string, to: 'half' | 'brainHalf' | 'float') =>
    ends ? tensor : graph.op('Cast', [tensor], { to: elementTypes[to] });
  const product = graph.op('MatMul', [cast(input, type), 'kernel']);
  graph.op('Identity', [cast(product, 'float')], {}, 'scores');
  graph.output('scores', ['batch', 3], ends ? type : 'float');
  return saveModel(model);
}

describe('models in half precision', () => {
  it.each([
    { ends: true, raw: true, type: 'half' },
    { ends: true, raw: false, type: 'half' },
    { ends: false, raw: true, type: 'half' },
    { ends: true, raw: true, type: 'brainHalf' },
  ] as const)('run as float32 with the same weights: %j', async (options) => {
    const bytes = halfModel(options);
    const x = [0.5, 0.25, 1, 0];
    // By hand: the kernel is exact in either format.
    const expected = [0, 1, 2].map((to) =>
      x.reduce((sum, value, from) => sum + value * kernel[from * 3 + to], 0),
    );
    expect(await logitsOf(bytes, x)).toEqual(expected);
    expect((await compiled(bytes)).compiled.model.classes).toBe(3);
    expect(await slopeError(engine, bytes)).toBeLessThan(2e-3);
  });
});

describe('quantised models', () => {
  it.each([
    ['float layers between quantised values', quantised],
    ['layers over integers', quantisedLinear],
  ])('give what the definition gives: %s', async (_name, make) => {
    const taps: ExtractionPlan['taps'] = [{ kind: 'layer', tensor: 'scores' }];
    const options = { plan: { ...plan, taps }, output: 'scores', tolerance: 1e-4 };
    await expectPlainDefinition({ engine, noiseKey }, make(), options);
  });

  it.each([
    [
      'float layers between quantised values',
      quantised,
      /no gradient rule for DequantizeLinear.*move in steps/,
    ],
    ['layers over integers', quantisedLinear, /no gradient rule for DequantizeLinear.*move in steps/],
    [
      'one quantised path beside a straight one',
      () => smallModel((graph, input) => graph.op('Add', [roundTrip(graph, input), input])),
      /no gradient rule for DequantizeLinear/,
    ],
  ] as const)('have no gradient, and say so: %s', async (_name, make, message) => {
    await expect(gradientModel(make(), { engine, head: 'seed' })).rejects.toMatchObject({
      code: 'unsupported_operator',
      message: expect.stringMatching(message),
    });
  });

  it('are not tapped where values are integers', async () => {
    await expect(compiled(quantised(), [{ kind: 'layer', tensor: 'quantised' }])).rejects.toThrow(
      /tensor quantised is not float32/,
    );
  });
});

describe('models of one probability', () => {
  const binary = (end: (graph: GraphBuilder, z: string) => string) =>
    smallModel((graph, input) => end(graph, graph.op('MatMul', [input, graph.floats([2, 1], [1, -3])])), {
      shape: ['b', 2],
      flatten: false,
    });

  it.each([
    ['at its end', (graph: GraphBuilder, z: string) => graph.op('Sigmoid', [z])],
    [
      'before its extent is dropped',
      (graph: GraphBuilder, z: string) => graph.op('Reshape', [graph.op('Sigmoid', [z]), graph.ints([-1])]),
    ],
  ])('have two logits, by the sigmoid %s', async (_name, end) => {
    const bytes = binary(end);
    // z = 2 - 3 = -1.
    expect(await logitsOf(bytes, [2, 1])).toEqual([0.5, -0.5]);
    expect((await compiled(bytes)).compiled.model).toMatchObject({ classes: 2, output_name: 'scores' });
    expect(await slopeError(engine, bytes)).toBeLessThan(2e-3);
  });

  it('are refused where no sigmoid gives the one number', async () => {
    await expect(compiled(binary((_graph, z) => z))).rejects.toThrow(/1 class.*no sigmoid/);
  });
});

/** A node with two bodies that give a constant. */
function branch(graph: GraphBuilder, input: string): string {
  const body = (value: number) => {
    const inner = buildOn(newModel('body', 17), `body ${value}`);
    inner.op('Identity', [inner.floats([1], [value])], {}, `chosen ${value}`);
    inner.output(`chosen ${value}`, [1]);
    return create(GraphProtoSchema, inner.model.graph);
  };
  const isAny = graph.op('Greater', [graph.op('ReduceSum', [input], { keepdims: 0 }), graph.floats([], [0])]);
  const chosen = graph.op('If', [isAny], {}, 'culprit');
  const graphs = { then_branch: body(1), else_branch: body(2) };
  graph.producer(chosen)!.attribute = Object.entries(graphs).map(([name, g]) =>
    create(AttributeProtoSchema, { name, type: 5, g }),
  );
  return graph.op('Mul', [input, chosen]);
}

/** A tree over the first input, whose label is text and whose scores leave as a list of maps too. */
function treeClassifier(): Uint8Array {
  const model = newModel('tree', 17);
  model.opsetImport.push(create(OperatorSetIdProtoSchema, { domain: 'ai.onnx.ml', version: 1n }));
  const graph = buildOn(model, 'own');
  const input = graph.input('input', ['batch', 2]);
  const [label, scores] = makeNode(graph, 'LinearClassifier', [input], {
    outputs: 2,
    attributes: { classlabels_ints: [0, 1, 2], post_transform: 'NONE' },
  });
  const node = graph.producer(label)!;
  node.domain = 'ai.onnx.ml';
  for (const [name, floats] of [
    ['coefficients', [1, 0, 0, 1, 1, 1]],
    ['intercepts', [0, 0, 0.5]],
  ] as const) {
    node.attribute.push(create(AttributeProtoSchema, { name, type: 6, floats: [...floats] }));
  }
  const maps = graph.op('ZipMap', [scores], { classlabels_int64s: [0, 1, 2] }, 'probabilities');
  graph.producer(maps)!.domain = 'ai.onnx.ml';
  graph.op('Identity', [label], {}, 'label');
  graph.op('Identity', [scores], {}, 'scores');
  graph.output('label', ['batch'], 'int64');
  graph.output('scores', ['batch', 3]);
  graph.output('probabilities', []);
  const info = model.graph.output[2];
  info.type!.value = { case: undefined };
  return saveModel(model);
}

describe('models that are refused, with the reason', () => {
  const cases: [string, () => Uint8Array, RegExp][] = [
    [
      'a condition',
      () => smallModel(branch),
      /If \(culprit\) cannot be guarded: what it runs depends on the data/,
    ],
    [
      'random draws',
      () =>
        smallModel((graph, input) =>
          graph.op('Add', [input, graph.op('RandomNormalLike', [input], {}, 'culprit')]),
        ),
      /RandomNormalLike \(culprit\) cannot be guarded: it draws at random/,
    ],
    [
      'a scale of the whole batch',
      () =>
        smallModel((graph, input) => {
          const parts = makeNode(graph, 'DynamicQuantizeLinear', [input], { outputs: 3 });
          return graph.op('DequantizeLinear', parts);
        }),
      /DynamicQuantizeLinear .*scale over the whole batch/,
    ],
    [
      'a normalisation in training mode',
      () =>
        smallModel((graph, input) => {
          const ones = graph.floats([2], [1, 1]);
          const attributes = { training_mode: 1 };
          return graph.op('BatchNormalization', [input, ones, ones, ones, ones], attributes, 'culprit');
        }),
      /BatchNormalization \(culprit\) is in training mode/,
    ],
    [
      'elements dropped at random',
      () =>
        smallModel((graph, input) => {
          const mode = bytesConstant(graph, [], [1], 'bool');
          return graph.op('Dropout', [input, graph.floats([], [0.5]), mode], {}, 'culprit');
        }),
      /Dropout \(culprit\) is in training mode/,
    ],
    [
      'logits of integers',
      () => smallModel((graph, input) => graph.op('ArgMax', [input], { axis: 2, keepdims: 0 })),
      /scores has elements of type INT64, not float32/,
    ],
  ];
  it.each(cases)('%s', async (_name, make, message) => {
    await expect(compiled(make())).rejects.toMatchObject({
      code: 'invalid_model',
      message: expect.stringMatching(message),
    });
  });

  it('a list of maps or a text for scores; the tensor beside them runs', async () => {
    const compile = (output: string) =>
      compileModel(treeClassifier(), { name: 'm', plan, noiseKey, engine, output });
    await expect(compile('probabilities')).rejects.toThrow(
      /probabilities is a sequence, a map or an optional/,
    );
    await expect(compile('label')).rejects.toThrow(/label has elements of type INT64/);
    expect((await compile('scores')).compiled.model.classes).toBe(3);
    const text = loadModel(treeClassifier());
    text.graph.output[0].type!.value.value!.elemType = elementTypes.string;
    const asked = compileModel(saveModel(text), { name: 'm', plan, noiseKey, engine, output: 'label' });
    await expect(asked).rejects.toThrow(/label is a tensor of text/);
  });

  it('none that says at run time that it does not train', async () => {
    const bytes = smallModel((graph, input) => {
      const mode = bytesConstant(graph, [], [0], 'bool');
      return graph.op('Dropout', [graph.op('Exp', [input]), graph.floats([], [0.5]), mode]);
    });
    expect(await slopeError(engine, bytes)).toBeLessThan(2e-3);
  });

  it('gradients of a recurrent layer, which compiles', async () => {
    await expect(gradientModel(recurrentNet(), { engine, head: 'seed' })).rejects.toMatchObject({
      code: 'unsupported_operator',
      message: expect.stringMatching(/LSTM .*recurrent layers are not differentiated/),
    });
  });
});

describe('a convolution frozen for one row', () => {
  it('gives the batch back to a constant that is joined to each row', async () => {
    const bytes = smallModel(
      (graph, input) => graph.op('Concat', [weights(graph, [1, 2, 6, 6]), input], { axis: 1 }),
      { shape: [1, 2, 6, 6] },
    );
    const node = loadModel(bytes).graph.node.find(({ opType }) => opType === 'Concat')!;
    expect(node.attribute).toEqual([makeAttribute('axis', 1)]);
    await expectPlainDefinition({ engine, noiseKey }, bytes, { plan, output: 'scores', tolerance: 1e-4 });
  });
});

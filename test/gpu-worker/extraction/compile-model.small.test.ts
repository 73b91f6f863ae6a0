import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import { compileModel, readCompiledModel } from '../../../gpu-worker/extraction/compile-model.ts';
import { extract } from '../../../gpu-worker/extraction/extract.ts';
import type { GraphBuilder } from '../../../gpu-worker/onnx/graph.ts';
import { buildOn, newModel } from '../../../gpu-worker/onnx/graph.ts';
import { loadModel, saveModel } from '../../../gpu-worker/onnx/model-file.ts';
import { compiledModelKey, type ExtractionPlan, type Tap } from '../../../shared/contracts/extraction.ts';
import { importNoiseKey, type NoiseKey, sha256Digest } from '../../../shared/noise/noise-key.ts';
import { smallModel, weights } from '../onnx/small-model.ts';

let engine: Engine;
let noiseKey: NoiseKey;
beforeAll(async () => {
  engine = await createOrtEngine({ workers: 1 });
  noiseKey = await importNoiseKey(new Uint8Array(32).fill(1));
});
afterAll(() => engine.close());

const planOf = (taps: Tap[] = []): ExtractionPlan => ({
  input_range: [0, 1],
  noise: [{ family: 'uniform', epsilon: 0.5, rows: 4, copies: 2 }],
  transforms: [],
  taps,
});

function compile(bytes: Uint8Array, { taps = [], output }: { taps?: Tap[]; output?: string } = {}) {
  const plan = planOf(taps);
  return compileModel(bytes, {
    name: 'small',
    plan,
    noiseKey,
    engine,
    ...(output !== undefined && { output }),
  });
}

/** A linear model of four inputs and two classes whose weights pick the first two inputs. */
const pick = (graph: GraphBuilder, input: string) =>
  graph.op('MatMul', [input, graph.floats([4, 2], [1, 0, 0, 1, 0, 0, 0, 0])]);
const vector = { shape: ['batch', 4], flatten: false } as const;

async function logitsOf(bytes: Uint8Array, x: number[]): Promise<number[]> {
  const model = await engine.load(bytes);
  const selections = [{ rows: [0, 1], signs: [1, -1] }];
  const { logits } = await extract(model, { x: Float32Array.from(x), inputShape: [4], selections });
  await model.release();
  return [...logits];
}

describe('compileModel', () => {
  it('says in the file what it was made of, and gives the same bytes for the same model, plan and key', async () => {
    const bytes = smallModel(pick, vector);
    const first = await compile(bytes);
    expect((await compile(bytes)).bytes).toEqual(first.bytes);
    expect(readCompiledModel(first.bytes)).toEqual({
      format: 'nccr-guard/compiled-model',
      format_version: 1,
      model: {
        name: 'small',
        digest: await sha256Digest(bytes),
        input_name: 'input',
        input_shape: [4],
        output_name: 'scores',
        classes: 2,
      },
      plan: planOf(),
      noise_key_id: noiseKey.id,
    });
  });

  it('takes a model that ends in a softmax at its logits', async () => {
    const softmax = smallModel((graph, input) => graph.op('Softmax', [pick(graph, input)]), vector);
    const compiled = await compile(softmax);
    const plain = await compile(smallModel(pick, vector));
    const x = [0.5, 0.25, 0, 1];
    expect(await logitsOf(compiled.bytes, x)).toEqual(await logitsOf(plain.bytes, x));
    expect(compiled.compiled.model.output_name).not.toBe('scores');
  });

  it('leaves the input itself as it is and clips its copies', async () => {
    const [first, second, ...copies] = await logitsOf(
      (await compile(smallModel(pick, vector))).bytes,
      [7, -7, 0, 0],
    );
    expect([first, second]).toEqual([7, -7]);
    // 7 and -7 lie further outside [0, 1] than any noise reaches.
    expect(copies).toEqual([1, 0, 1, 0]);
  });

  it.each(['x', 'logits', 'noise_rows', 'noise_signs', 'changes', 'guard/floats'])(
    'compiles a model that calls a tensor of its own %s',
    async (name) => {
      const model = newModel('collision', 17);
      const graph = buildOn(model, 'own');
      const input = graph.input(name === 'x' ? 'x' : 'input', ['batch', 4]);
      graph.op('Tanh', [input], {}, name === 'x' ? 'between' : name);
      const last = pick(graph, name === 'x' ? 'between' : name);
      graph.output(last, ['batch', 2]);
      const tensor = name === 'x' ? 'between' : name;
      const compiled = await compile(saveModel(model), { taps: [{ kind: 'layer', tensor }] });
      const logits = await logitsOf(compiled.bytes, [0.5, 0.25, 0, 0]);
      expect(logits[0]).toBeCloseTo(Math.tanh(0.5), 6);
      expect(compiled.compiled.model.input_name).toBe(name === 'x' ? 'x' : 'input');
    },
  );

  it('frees a batch that a reshape fixes', async () => {
    const fixed = smallModel(
      (graph, input) => pick(graph, graph.op('Reshape', [input, graph.ints([1, 4])])),
      {
        shape: [1, 2, 2],
        flatten: false,
      },
    );
    expect((await compile(fixed)).compiled.model.input_shape).toEqual([2, 2]);
  });

  it.each([7, 8, 9, 10, 11, 12, 18, 20, 21, 22])('compiles operator set %i', async (opset) => {
    const { bytes } = await compile(smallModel(pick, { ...vector, opset }), {
      taps: [
        { kind: 'layer', tensor: 'scores' },
        { kind: 'channels', tensor: 'scores', index: [1] },
      ],
    });
    const model = await engine.load(bytes);
    const selections = [{ rows: [0, 1], signs: [1, 1] }];
    const { changes } = await extract(model, { x: new Float32Array(4), inputShape: [4], selections });
    await model.release();
    expect(changes?.length).toBe(3);
  });

  it('takes the output that is named logits, or the one that the caller names', async () => {
    const several = (names: string[]) => {
      const model = newModel('several', 17);
      const graph = buildOn(model, 'own');
      const input = graph.input('input', ['batch', 4]);
      for (const name of names) {
        graph.op('Identity', [pick(graph, input)], {}, name);
        graph.output(name, ['batch', 2]);
      }
      return saveModel(model);
    };
    expect((await compile(several(['a', 'logits']))).compiled.model.output_name).toBe('logits');
    expect((await compile(several(['a', 'b']), { output: 'b' })).compiled.model.output_name).toBe('b');
    await expect(compile(several(['a', 'b']))).rejects.toMatchObject({
      code: 'invalid_model',
      message: expect.stringContaining('a, b'),
    });
  });
});

describe('compileModel refuses, and says what and where', () => {
  const cases: [string, () => Uint8Array, RegExp, { taps?: Tap[]; output?: string }?][] = [
    ['bytes that are no model', () => new TextEncoder().encode('hello'), /not an ONNX file/],
    ['an input without a batch', () => smallModel(weightsOnly, { shape: [4] }), /input .*no batch dimension/],
    [
      'an image without a batch',
      () => smallModel(convolve, { shape: [3, 8, 8], flatten: false }),
      /does not run.*culprit|does not run.*Conv/s,
    ],
    [
      'a batch lost in a mean',
      () => smallModel(meanOverBatch),
      /scores has no batch dimension.*ReduceMean \(culprit\)/,
    ],
    [
      'rows that depend on each other',
      () => smallModel(softmaxOverBatch),
      /independent rows.*Softmax \(culprit\)/,
    ],
    ['two inputs', () => smallModel(twoInputs), /2 inputs \(input, other\)/],
    ['an input of integers', () => integerInput(), /input ids is not float32/],
    [
      'a free extent',
      () => smallModel((graph, input) => graph.op('Relu', [input]), { shape: ['b', 3, 'h', 8] }),
      /dimension 2 of input input is free/,
    ],
    [
      'an operator of a set of its own',
      () => smallModel((graph, input) => graph.op('FancyOp', [input])),
      /FancyOp/,
    ],
    ['an operator set before 7', () => smallModel(pick, { ...vector, opset: 6 }), /operator set 6.*7 to 22/],
    ['an operator set after 22', () => smallModel(pick, { ...vector, opset: 23 }), /operator set 23/],
    [
      'one class',
      () => smallModel((graph, input) => graph.op('ReduceMean', [input], { axes: [1, 2, 3] })),
      /1 class/,
    ],
    [
      'logits that nothing gives',
      () => smallModel(pick, vector),
      /no tensor logit; near it are/,
      { output: 'logit' },
    ],
    [
      'a misspelt tap',
      () => smallModel(pick, vector),
      /no tensor score; near it are scores/,
      { taps: [{ kind: 'layer', tensor: 'score' }] },
    ],
    [
      'a tap on a constant',
      () => smallModel(pick, vector),
      /small\/floats does not depend on the input/,
      { taps: [{ kind: 'layer', tensor: 'small/floats' }] },
    ],
    [
      'a channel too many',
      () => smallModel(pick, vector),
      /scores has 2 channels, there is no 2/,
      { taps: [{ kind: 'channels', tensor: 'scores', index: [0, 2] }] },
    ],
    [
      'a neuron too many',
      () => smallModel(pick, vector),
      /scores has 2 neurons, there is no 5/,
      { taps: [{ kind: 'neurons', tensor: 'scores', index: [5] }] },
    ],
  ];

  it.each(cases)('%s', async (_name, bytes, message, options = {}) => {
    await expect(compile(bytes(), options)).rejects.toMatchObject({
      code: 'invalid_model',
      message: expect.stringMatching(message),
    });
  });

  it('a compiled model', async () => {
    const { bytes } = await compile(smallModel(pick, vector));
    await expect(compile(bytes)).rejects.toThrow(/compiled already/);
  });
});

describe('readCompiledModel refuses', () => {
  it('a model that was not compiled', () => {
    expect(() => readCompiledModel(smallModel(pick, vector))).toThrow(
      expect.objectContaining({ code: 'invalid_model', message: expect.stringContaining('not compiled') }),
    );
  });

  it.each(['{"format": "another"}', 'no JSON'])('a description of another kind: %s', async (text) => {
    const model = loadModel((await compile(smallModel(pick, vector))).bytes);
    model.metadataProps.find(({ key }) => key === compiledModelKey)!.value = text;
    expect(() => readCompiledModel(saveModel(model))).toThrow(
      expect.objectContaining({ code: 'invalid_model' }),
    );
  });
});

const weightsOnly = (graph: GraphBuilder, input: string) =>
  graph.op('MatMul', [input, weights(graph, [4, 3])]);
const convolve = (graph: GraphBuilder, input: string) =>
  graph.op('Conv', [input, weights(graph, [2, 3, 3, 3])], {}, 'culprit');
const meanOverBatch = (graph: GraphBuilder, input: string) =>
  graph.op('Relu', [graph.op('ReduceMean', [input], { axes: [0] }, 'culprit')]);
const softmaxOverBatch = (graph: GraphBuilder, input: string) =>
  graph.op('Relu', [graph.op('Softmax', [input], { axis: 0 }, 'culprit')]);
const twoInputs = (graph: GraphBuilder, input: string) =>
  graph.op('Add', [input, graph.input('other', ['batch', 2, 6, 6])]);

function integerInput(): Uint8Array {
  const model = newModel('integers', 17);
  const graph = buildOn(model, 'own');
  graph.op('Cast', [graph.input('ids', ['batch', 4], 'int64')], { to: 1 }, 'scores');
  graph.output('scores', ['batch', 4]);
  return saveModel(model);
}

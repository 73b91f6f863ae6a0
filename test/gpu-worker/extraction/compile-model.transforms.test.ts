import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import { runRows } from '../../../gpu-worker/engine/run-rows.ts';
import { compileModel, readCompiledModel } from '../../../gpu-worker/extraction/compile-model.ts';
import { extract } from '../../../gpu-worker/extraction/extract.ts';
import { loadModel } from '../../../gpu-worker/onnx/model-file.ts';
import { type ExtractionPlan, extractionPlanSchema } from '../../../shared/contracts/extraction.ts';
import type { Transform } from '../../../shared/contracts/transform.ts';
import { seededRandom } from '../../../shared/maths/random.ts';
import { elementCount, float32Tensor } from '../../../shared/maths/tensor.ts';
import { transformInput } from '../../../shared/maths/transforms.ts';
import { drawTransforms } from '../../../shared/noise/draw-transforms.ts';
import { noiseBank } from '../../../shared/noise/noise-bank.ts';
import { importNoiseKey, type NoiseKey } from '../../../shared/noise/noise-key.ts';
import { selectRows } from '../../../shared/noise/select-rows.ts';
import { transformPresets } from '../../../shared/noise/transform-presets.ts';
import { smallModel } from '../onnx/small-model.ts';

const shape = [2, 6, 6];
const size = elementCount(shape);
// The logits are the input itself, so that they show each copy.
const identity = smallModel((graph, input) => graph.op('Identity', [input]));
const transforms = [...transformPresets['w0-colour']];
const noise: ExtractionPlan['noise'] = [{ family: 'uniform', epsilon: 0.5, rows: 4, copies: 2 }];

let engine: Engine;
let noiseKey: NoiseKey;
beforeAll(async () => {
  engine = await createOrtEngine({ workers: 1 });
  noiseKey = await importNoiseKey(new Uint8Array(32).fill(1));
});
afterAll(() => engine.close());

function planOf(parts: Partial<ExtractionPlan>): ExtractionPlan {
  return extractionPlanSchema.parse({ input_range: [0, 1], noise: [], taps: [], ...parts });
}

const compile = (plan: ExtractionPlan, key = noiseKey) =>
  compileModel(identity, { name: 'identity', plan, noiseKey: key, engine });

const random = seededRandom(2);
const x = Float32Array.from({ length: 2 * size }, () => random());

/** Logits of both inputs under a plan, [2, copies + 1, size]. */
async function logitsOf(plan: ExtractionPlan, key = noiseKey) {
  const model = await engine.load((await compile(plan, key)).bytes);
  const rows = [x.slice(0, size), x.slice(size)];
  const selections = await Promise.all(rows.map((row) => selectRows(key, plan, row)));
  const { logits } = await extract(model, { x, inputShape: shape, selections });
  await model.release();
  return { logits, selections };
}

function transformed(row: Float32Array, wanted: readonly Transform[]): number[] {
  const image = { values: row, planes: 2, height: 6, width: 6 };
  return wanted.flatMap((transform) => [...transformInput(image, transform, [0, 1])]);
}

function expectClose(found: ArrayLike<number>, expected: readonly number[]) {
  expect(found.length).toBe(expected.length);
  for (const [index, value] of expected.entries()) expect(found[index]).toBeCloseTo(value, 5);
}

describe('a model compiled for transforms', () => {
  it('gives the input, then its copies with noise, then its transforms in the order of the plan', async () => {
    const plan = planOf({ noise, transforms });
    const bank = await noiseBank(noiseKey, plan, size);
    const { logits, selections } = await logitsOf(plan);
    const expected = selections.flatMap(({ rows, signs }, request) => {
      const row = x.slice(request * size, (request + 1) * size);
      const noisy = rows.flatMap((bankRow, copy) =>
        Array.from(row, (value, index) =>
          Math.min(1, Math.max(0, value + signs[copy] * bank[bankRow * size + index])),
        ),
      );
      return [...row, ...noisy, ...transformed(row, transforms)];
    });
    expectClose(logits, expected);
  });

  it('without noise takes the input alone', async () => {
    const plan = planOf({ transforms });
    const { bytes, compiled } = await compile(plan);
    expect(loadModel(bytes).graph.input.map(({ name }) => name)).toEqual(['x']);
    expect(readCompiledModel(bytes)).toEqual(compiled);
    expect(compiled.plan).toEqual(plan);
    const { logits, selections } = await logitsOf(plan);
    expect(selections.map(({ rows, signs }) => [rows, signs])).toEqual([
      [[], []],
      [[], []],
    ]);
    const rows = [x.slice(0, size), x.slice(size)];
    expectClose(
      logits,
      rows.flatMap((row) => [...row, ...transformed(row, transforms)]),
    );
  });

  it('gives the rows of a batch one by one what it gives them together', async () => {
    const plan = planOf({ transforms });
    const model = await engine.load((await compile(plan)).bytes);
    const outputs = await runRows(model, { x: float32Tensor(x, [2, ...shape]) }, { rows: 2 });
    await model.release();
    expect(outputs.logits.shape).toEqual([2, transforms.length + 1, size]);
    expect(outputs.logits.data).toEqual((await logitsOf(plan)).logits);
  });

  it('reads changes over all copies', async () => {
    const tap = { kind: 'neurons', tensor: 'scores', index: [5] } as const;
    const plan = planOf({ transforms: [{ family: 'mirror' }], taps: [{ ...tap, index: [...tap.index] }] });
    const model = await engine.load((await compile(plan)).bytes);
    const row = x.slice(0, size);
    const selections = [{ rows: [], signs: [] }];
    const { changes } = await extract(model, { x: row, inputShape: shape, selections });
    await model.release();
    // By hand: neuron 5 is the last pixel of the first line, which the mirror swaps with the first.
    expectClose(changes!, [Math.abs(row[0] - row[5])]);
  });

  it('refuses another number of units than a tensor has', async () => {
    const tap = { kind: 'units', tensor: 'scores', transform: 0, units: 3 } as const;
    await expect(compile(planOf({ transforms: [{ family: 'mirror' }], taps: [tap] }))).rejects.toMatchObject({
      code: 'invalid_model',
      message: 'scores has 72 units, the plan says 3',
    });
  });

  it('whose transforms the key draws has those of its key, and keeps them to itself', async () => {
    const plan = planOf({ transforms, transforms_key_id: noiseKey.id });
    const drawn = await drawTransforms(noiseKey, transforms);
    const row = x.slice(0, size);
    const { logits } = await logitsOf(plan);
    expectClose(logits.subarray(0, (transforms.length + 1) * size), [...row, ...transformed(row, drawn)]);
    const { bytes, compiled } = await compile(plan);
    expect(compiled.plan).toEqual(plan);
    expect(JSON.stringify(readCompiledModel(bytes))).not.toContain(JSON.stringify(drawn[2]));
    expect((await compile(plan)).bytes).toEqual(bytes);
    const otherKey = await importNoiseKey(new Uint8Array(32).fill(2));
    const otherPlan = planOf({ transforms, transforms_key_id: otherKey.id });
    expect((await logitsOf(otherPlan, otherKey)).logits).not.toEqual(logits);
  });

  it('refuses transforms that another key draws', async () => {
    const otherKey = await importNoiseKey(new Uint8Array(32).fill(2));
    await expect(
      compile(planOf({ transforms, transforms_key_id: noiseKey.id }), otherKey),
    ).rejects.toMatchObject({
      code: 'invalid_config',
      message: expect.stringContaining(otherKey.id),
    });
  });

  it('refuses a transform that does not fit the input, by its name', async () => {
    const vector = smallModel((graph, input) => graph.op('Identity', [input]), { shape: ['batch', 4] });
    const plan = planOf({ transforms: [{ family: 'mirror' }] });
    await expect(compileModel(vector, { name: 'vector', plan, noiseKey, engine })).rejects.toMatchObject({
      code: 'invalid_model',
      message: expect.stringContaining('the family mirror'),
    });
  });
});

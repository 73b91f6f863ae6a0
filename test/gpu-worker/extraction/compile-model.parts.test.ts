// Graphs of a part of a plan: what they give is what the whole plan's graph gives, bit for bit.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drawDigit } from '../../../gpu-worker/datasets/synthetic-digits.ts';
import type { Engine } from '../../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import { compileModel } from '../../../gpu-worker/extraction/compile-model.ts';
import { extract } from '../../../gpu-worker/extraction/extract.ts';
import { penultimateTap } from '../../../gpu-worker/onnx/penultimate.ts';
import { tappedModel } from '../../../gpu-worker/onnx/tapped-model.ts';
import { type ExtractionPlan, extractionPlanSchema, planRuns } from '../../../shared/contracts/extraction.ts';
import { float32Tensor } from '../../../shared/maths/tensor.ts';
import { importNoiseKeyHex, type NoiseKey } from '../../../shared/noise/noise-key.ts';
import { selectRows } from '../../../shared/noise/select-rows.ts';
import { transformPresets } from '../../../shared/noise/transform-presets.ts';

const modelFile = new URL('../../../gpu-worker/demo/assets/mnist-lenet5.onnx', import.meta.url);
const inputShape = [1, 28, 28];
const x = drawDigit(5, 3);
let engine: Engine;
let noiseKey: NoiseKey;
let bytes: Uint8Array;
let plan: ExtractionPlan;

beforeAll(async () => {
  engine = await createOrtEngine({ workers: 1 });
  noiseKey = await importNoiseKeyHex('7b'.repeat(32));
  bytes = await readFile(modelFile);
  plan = extractionPlanSchema.parse({
    input_range: [0, 1],
    noise: [{ family: 'gaussian', epsilon: 0.3, rows: 32, copies: 4 }],
    transforms: transformPresets['w0-grey'],
    taps: [await penultimateTap(bytes, { engine })],
  });
}, 180_000);
afterAll(() => engine.close());

async function run(part: ExtractionPlan) {
  const compilation = await compileModel(bytes, { name: 'm', plan: part, noiseKey, engine });
  const model = await engine.load(compilation.bytes);
  const whole = await selectRows(noiseKey, plan, x);
  const kept = planRuns(part).filter((run) => run >= 1 && run <= 4);
  const selection = {
    rows: kept.map((copy) => whole.rows[copy - 1]),
    signs: kept.map((copy) => whole.signs[copy - 1]),
  };
  try {
    return await extract(model, { x, inputShape, selections: [selection] });
  } finally {
    await model.release();
  }
}

describe('a graph of a part of a plan', () => {
  it('gives the rows of the logits that the whole graph gives, to the bit', async () => {
    const whole = await run(plan);
    const parts = [[0], [1, 2], [3, 4, 9], [5, 6, 7, 8]];
    for (const only of parts) {
      const taps = only.includes(0) ? plan.taps : [];
      const { logits, changes } = await run({ ...plan, only, taps });
      const expected = only.flatMap((row) => [...whole.logits.subarray(row * 10, (row + 1) * 10)]);
      expect([...logits], only.join()).toEqual(expected);
      expect(changes === undefined).toBe(!only.includes(0));
      if (changes !== undefined) expect([...changes]).toEqual([...whole.changes!]);
    }
  }, 180_000);

  it('draws the transforms of the key as the whole graph does', async () => {
    const keyed = { ...plan, transforms_key_id: noiseKey.id };
    const whole = await run(keyed);
    const { logits } = await run({ ...keyed, only: [6], taps: [] });
    expect([...logits]).toEqual([...whole.logits.subarray(60, 70)]);
  }, 180_000);

  it('is refused where it names no copy of the plan, does not rise, or taps what it does not run', () => {
    for (const only of [[10], [2, 1], [1, 1], []]) {
      expect(extractionPlanSchema.safeParse({ ...plan, only, taps: [] }).success, only.join()).toBe(false);
    }
    expect(extractionPlanSchema.safeParse({ ...plan, only: [1, 2] }).success).toBe(false);
    const layer = [{ kind: 'layer', tensor: 'fc2' }];
    expect(extractionPlanSchema.safeParse({ ...plan, only: [0], taps: layer }).success).toBe(false);
  });
});

describe('the tap of the penultimate activation', () => {
  it('finds what the last linear layer reads, and gives its values', async () => {
    const [tap] = plan.taps;
    expect(tap).toMatchObject({ kind: 'activations', neurons: 84 });
    const tapped = await engine.load((await tappedModel(bytes, { engine, tensors: [tap.tensor] })).bytes);
    const { tap_0: activation } = await tapped.run({ x: float32Tensor(x, [1, ...inputShape]) });
    const { changes } = await run(plan);
    for (const [index, value] of [...changes!].entries()) {
      expect(Math.abs(value - Number(activation.data[index]))).toBeLessThanOrEqual(1e-5);
    }
  }, 180_000);

  it('is refused where the tensor has another number of neurons', async () => {
    const [tap] = plan.taps;
    const wrong = { ...plan, taps: [{ ...tap, neurons: 83 }] } as ExtractionPlan;
    await expect(run(wrong)).rejects.toThrow(/has 84 neurons, not 83/);
  }, 180_000);
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine, LoadedModel } from '../../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import { compileModel } from '../../../gpu-worker/extraction/compile-model.ts';
import { extract } from '../../../gpu-worker/extraction/extract.ts';
import type { ExtractionPlan } from '../../../shared/contracts/extraction.ts';
import { noiseBank } from '../../../shared/noise/noise-bank.ts';
import { importNoiseKey } from '../../../shared/noise/noise-key.ts';
import { smallModel } from '../onnx/small-model.ts';

const plan: ExtractionPlan = {
  input_range: [-10, 10],
  noise: [{ family: 'uniform', epsilon: 0.5, rows: 4, copies: 2 }],
  transforms: [],
  taps: [{ kind: 'neurons', tensor: 'scores', index: [1] }],
};
const selection = { rows: [3, 1], signs: [1, -1] };

let engine: Engine;
let model: LoadedModel;
let bank: Float32Array;
beforeAll(async () => {
  engine = await createOrtEngine({ workers: 1 });
  const noiseKey = await importNoiseKey(new Uint8Array(32).fill(9));
  bank = await noiseBank(noiseKey, plan, 2);
  // The logits are the input itself.
  const bytes = smallModel((graph, input) => graph.op('Identity', [input]), { shape: ['batch', 2] });
  const compiled = await compileModel(bytes, { name: 'identity', plan, noiseKey, engine });
  model = await engine.load(compiled.bytes);
});
afterAll(() => engine.close());

const run = (x: number[], selections = [selection]) =>
  extract(model, { x: Float32Array.from(x), inputShape: [2], selections });

describe('extract', () => {
  it('gives the logits of the input, then of its copies by the chosen rows and signs', async () => {
    const { logits, changes } = await run([1, 2]);
    const noise = [bank[6], bank[7], -bank[2], -bank[3]];
    // By hand: the model gives its input back.
    const expected = [1, 2, 1 + noise[0], 2 + noise[1], 1 + noise[2], 2 + noise[3]];
    for (const [index, value] of expected.entries()) expect(logits[index]).toBeCloseTo(value, 6);
    expect(changes?.length).toBe(1);
    expect(changes?.[0]).toBeCloseTo((Math.abs(noise[1]) + Math.abs(noise[3])) / 2, 6);
  });

  it('gives each input of a batch what it gives it alone', async () => {
    const other = { rows: [0, 0], signs: [-1, 1] };
    const both = await run([1, 2, -3, 4], [selection, other]);
    const alone = [await run([1, 2]), await run([-3, 4], [other])];
    expect([...both.logits]).toEqual(alone.flatMap(({ logits }) => [...logits]));
    expect([...both.changes!]).toEqual(alone.flatMap(({ changes }) => [...changes!]));
  });

  it('gives the same bits for the same input again', async () => {
    expect((await run([0.1, 0.7])).logits).toEqual((await run([0.1, 0.7])).logits);
  });

  it('passes a NaN on to the row that holds it, and to no other', async () => {
    const { logits } = await run([Number.NaN, 1, 1, 2], [selection, selection]);
    expect(logits[0]).toBeNaN();
    expect([...logits.subarray(6)]).toEqual([...(await run([1, 2])).logits]);
  });

  it('refuses a row that the bank does not have', async () => {
    await expect(run([1, 2], [{ rows: [3, 4], signs: [1, 1] }])).rejects.toMatchObject({
      code: 'invalid_input',
    });
  });

  it('refuses an empty batch and sizes that do not fit', async () => {
    await expect(run([], [])).rejects.toThrow(/at least one input/);
    await expect(run([1, 2, 3])).rejects.toThrow(/x has 3 elements/);
    await expect(run([1, 2, 3, 4], [selection, { rows: [1], signs: [1] }])).rejects.toThrow(/elements/);
    await expect(run([1, 2], [{ rows: [1], signs: [1] }])).rejects.toMatchObject({ code: 'invalid_input' });
  });
});

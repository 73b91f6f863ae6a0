import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Dataset } from '../../../gpu-worker/datasets/dataset.ts';
import type { Engine } from '../../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import { measureNccr } from '../../../gpu-worker/evaluate/measure-nccr.ts';
import { perturbRows } from '../../../gpu-worker/evaluate/noise-sets.ts';
import { buildOn, newModel } from '../../../gpu-worker/onnx/graph.ts';
import { saveModel } from '../../../gpu-worker/onnx/model-file.ts';
import { tappedModel } from '../../../gpu-worker/onnx/tapped-model.ts';

const noise = { epsilon: 0.2, range: [0, 1] as const, sets: 3, seed: 5 };
const dataset: Dataset = {
  name: 'points',
  inputs: Float32Array.of(0.1, 0.9, 0.5, 0.5, 0.8, 0.3),
  inputShape: [2],
  labels: Int32Array.of(1, 0, 0),
};

/** `hidden = relu(x)`, `logits = scale * hidden + shift`. */
function linearModel(scale: number, shift: number): Uint8Array {
  const graph = buildOn(newModel('linear', 17), 't');
  graph.input('input', ['N', 2]);
  graph.op('Relu', ['input'], {}, 'hidden');
  const scaled = graph.op('Mul', ['hidden', graph.floats([1], [scale])]);
  graph.op('Add', [scaled, graph.floats([1], [shift])], {}, 'logits');
  graph.output('logits', ['N', 2]);
  return saveModel(graph.model);
}

describe('NCCR over sets of noise', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createOrtEngine({ workers: 1 });
  });
  afterAll(() => engine.close());

  const measure = async (bytes: Uint8Array, measured = dataset) => {
    const tapped = await tappedModel(bytes, { engine, tensors: ['hidden'] });
    const model = await engine.load(tapped.bytes);
    return measureNccr({ model, classes: 2, widths: tapped.widths }, measured, { noise });
  };

  it('is the norm of the change of the logits, row by row and set by set', async () => {
    const { l2, relative, layers } = await measure(linearModel(2, 0));
    const norms = Array.from({ length: 3 }, (_, row) => {
      const [a, b] = dataset.inputs.subarray(2 * row, 2 * row + 2);
      return (2 * Math.abs(a - b)) / Math.SQRT2;
    });
    // Of the second input both logits are equal: its change is relative to the least norm.
    const floor = (0.01 * norms.reduce((sum, norm) => sum + norm, 0)) / 3;
    for (let set = 0; set < noise.sets; set++) {
      const perturbed = perturbRows(dataset.inputs, noise, { set, first: 0, size: 2 });
      let layerSum = 0;
      for (let row = 0; row < 3; row++) {
        const [da, db] = [0, 1].map((index) => perturbed[2 * row + index] - dataset.inputs[2 * row + index]);
        expect(l2[set][row]).toBeCloseTo(2 * Math.hypot(da, db), 5);
        const centred = (2 * Math.abs(da - db)) / Math.SQRT2;
        expect(relative[set][row]).toBeCloseTo(centred / Math.max(floor, norms[row]), 3);
        layerSum += Math.hypot(da, db);
      }
      expect(layers[0].change[set]).toBeCloseTo(layerSum, 5);
    }
    expect(layers[0].norm).toBeCloseTo(Math.hypot(0.1, 0.9) + Math.hypot(0.5, 0.5) + Math.hypot(0.8, 0.3), 5);
  });

  it('is the same relative to the logits whatever their scale and shift, where the raw one grows with them', async () => {
    const [plain, scaled] = [await measure(linearModel(1, 0)), await measure(linearModel(7, 40))];
    expect(scaled.relative[0][0]).toBeCloseTo(plain.relative[0][0], 4);
    expect(scaled.l2[0][0] / plain.l2[0][0]).toBeCloseTo(7, 3);
  });

  it('counts what the model labels right, as it is and under each set', async () => {
    const { right, rightPerturbed } = await measure(linearModel(1, 0));
    // Of equal logits the first one is the label.
    expect([...right]).toEqual([1, 1, 1]);
    expect(rightPerturbed).toHaveLength(3);
    expect(rightPerturbed.every((share) => share >= 2 / 3 && share <= 1)).toBe(true);
  });

  it('gives an input the same noise whatever stands beside it, and each set another', () => {
    const whole = perturbRows(dataset.inputs, noise, { set: 1, first: 0, size: 2 });
    const last = perturbRows(dataset.inputs.slice(4), noise, { set: 1, first: 2, size: 2 });
    expect(last).toEqual(whole.slice(4));
    expect([...perturbRows(dataset.inputs, noise, { set: 2, first: 0, size: 2 })]).not.toEqual([...whole]);
    expect(whole.every((value, index) => Math.abs(value - dataset.inputs[index]) <= 0.2 + 1e-6)).toBe(true);
    expect(whole.every((value) => value >= 0 && value <= 1)).toBe(true);
  });

  it('refuses a model whose logits are not numbers, or all equal', async () => {
    await expect(measure(linearModel(Number.NaN, 0))).rejects.toThrow(
      /a logit that is not finite on input 0/,
    );
    const flat = { ...dataset, inputs: Float32Array.of(0.5, 0.5, 0.2, 0.2, 1, 1) };
    await expect(measure(linearModel(1, 0), flat)).rejects.toThrow(/nothing that could change/);
  });
});

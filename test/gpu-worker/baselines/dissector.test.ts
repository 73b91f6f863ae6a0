import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDissector, snapshotValidity } from '../../../gpu-worker/baselines/dissector.ts';
import type { Engine } from '../../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import { seededRandom } from '../../../shared/maths/random.ts';
import { smallModel } from '../onnx/small-model.ts';
import { linearTarget } from './linear-target.ts';

describe('the validity of a snapshot', () => {
  it('weighs the label against the strongest other class', () => {
    // The paper's two cases by hand: p / (p + second) where the layer agrees, 1 - highest / (highest + p) where not.
    expect(snapshotValidity(Float64Array.of(0.6, 0.3, 0.1), 0)).toBeCloseTo(0.6 / 0.9, 12);
    expect(snapshotValidity(Float64Array.of(0.6, 0.3, 0.1), 1)).toBeCloseTo(1 - 0.6 / 0.9, 12);
    expect(snapshotValidity(Float64Array.of(0, 1), 0)).toBe(0);
    expect(snapshotValidity(Float64Array.of(1, 0), 0)).toBe(1);
    expect(snapshotValidity(Float64Array.of(0.5, 0.5), 1)).toBe(0.5);
  });
});

describe('dissection', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createOrtEngine({ workers: 1 });
  });
  afterAll(() => engine.close());

  // Logits (x_1 + 9 x_2, 0) over a first layer that passes x_1 alone on under a name of its own. Training inputs have
  // x_2 = 0, so that both agree on them; an attack through x_2 changes the label and not what the first layer says.
  const model = smallModel(
    (graph, input) => {
      const early = graph.op('Gather', [input, graph.ints([0])], { axis: 1 }, 'early');
      const late = graph.op('Gather', [input, graph.ints([1])], { axis: 1 });
      const sum = graph.op('Add', [early, graph.op('Mul', [late, graph.floats([], [9])])], {}, 'late');
      return graph.op('Gemm', [sum, graph.floats([1, 2], [1, 0]), graph.floats([2], [0, 0])]);
    },
    { shape: ['batch', 2] },
  );
  const target = linearTarget([1, 9], { inputShape: [2], range: [-1, 1] });
  const random = seededRandom(1);
  const rows = 200;
  const inputs = Float32Array.from({ length: 2 * rows }, (_, index) =>
    index % 2 === 0 ? 2 * random() - 1 : 0,
  );
  const labels = Int32Array.from({ length: rows }, (_, row) => (inputs[2 * row] > 0 ? 0 : 1));
  const training = { name: 'by hand', inputs, inputShape: [2], labels };
  const head = { seed: 1, epochs: 40, learningRate: 0.05 };

  it('scores an input high whose early layers speak for another label', async () => {
    const options = { engine, tensors: ['early', 'late'], training, head };
    const dissector = await openDissector(target, model, options);
    const accuracies = await dissector.accuracies(training);
    for (const accuracy of accuracies) expect(accuracy).toBeGreaterThan(0.95);
    const { scores, passesPerInput } = await dissector.score(Float32Array.of(0.8, 0, -0.8, 0, 0.8, -0.2));
    expect(scores[0]).toBeLessThan(0.1);
    expect(scores[1]).toBeLessThan(0.1);
    // The first of the weights 1 and 2 against the label: at least nearly a third.
    expect(scores[2]).toBeGreaterThan(0.3);
    expect(scores[2]).toBeLessThan(0.5);
    expect(passesPerInput).toBe(1);
    expect((await dissector.score(new Float32Array(0))).scores).toHaveLength(0);
    await dissector.close();
  });

  it('is refused without a tensor, and for one that is not there', async () => {
    const open = (tensors: string[]) => openDissector(target, model, { engine, tensors, training, head });
    await expect(open([])).rejects.toThrow(/name of a tensor/);
    await expect(open(['absent'])).rejects.toThrow(/no tensor absent/);
  });
});

import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AttackTarget, attackTarget } from '../../../gpu-worker/attacks/attack-target.ts';
import { type DrawCopies, knownCopies, secretCopies } from '../../../gpu-worker/attacks/copy-draws.ts';
import { jointLoss, type KnownDetector } from '../../../gpu-worker/attacks/joint-loss.ts';
import { drawDigits } from '../../../gpu-worker/datasets/synthetic-digits.ts';
import type { Engine } from '../../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import { compileModel } from '../../../gpu-worker/extraction/compile-model.ts';
import { extract } from '../../../gpu-worker/extraction/extract.ts';
import { forwardModel } from '../../../gpu-worker/onnx/forward-model.ts';
import { gradientModel } from '../../../gpu-worker/onnx/input-gradient.ts';
import type { VectorDesign } from '../../../shared/contracts/detector-artefact.ts';
import { type ExtractionPlan, extractionPlanSchema } from '../../../shared/contracts/extraction.ts';
import { mlpScore } from '../../../shared/detector/mlp.ts';
import { planVector, planVectorLength } from '../../../shared/maths/plan-vector.ts';
import { normal, seededRandom } from '../../../shared/maths/random.ts';
import { importNoiseKeyHex } from '../../../shared/noise/noise-key.ts';
import { selectRows } from '../../../shared/noise/select-rows.ts';

import { linear, linearDetector } from '../../helpers/linear-guard.ts';

const assets = new URL('../../../gpu-worker/demo/assets/', import.meta.url);
const key = await importNoiseKeyHex('5'.repeat(64));
const planOf = (parts: object): ExtractionPlan =>
  extractionPlanSchema.parse({ input_range: [0, 1], noise: [], taps: [], ...parts });

describe('the joint loss', () => {
  const noise: DrawCopies = async () => [{ noise: [Float32Array.of(0.02, -0.03)], transforms: [] }];
  const at = async (detector: KnownDetector, input: Float32Array, label = 0) => {
    const drawn = { inputs: [input], labels: [label], draws: [await noise(input)] };
    const [loss] = await jointLoss(linear as AttackTarget, detector, {
      ...drawn,
      detectorWeights: [0.5],
      slack: 0.1,
      confidence: 1,
    });
    return loss;
  };

  it('is that of the closed form on a linear model', async () => {
    // By hand: gap 4 (0.6 - 0.4) = 0.8, change 4 (0.02 + 0.03) = 0.2, so v = ln(0.2 / 0.81 + 1e-4); only the gap moves
    // with the input, so dv/dgap = -(0.2 / 0.81^2) / (0.2 / 0.81 + 1e-4).
    const { loss, gradient, passing, settled } = await at(linearDetector(1, -3), Float32Array.of(0.6, 0.4));
    const relative = 0.2 / 0.81;
    const score = Math.log(relative + 1e-4);
    expect(loss).toBeCloseTo(0.8 + 0.5 * (score + 3 + 0.1), 5);
    const slope = 4 * (1 + 0.5 * (-relative / 0.81 / (relative + 1e-4)));
    expect([...gradient]).toEqual([expect.closeTo(slope, 4), expect.closeTo(-slope, 4)]);
    expect({ passing, settled }).toEqual({ passing: 0, settled: false });
  });

  it('is at its floor, with no gradient, where the input is wrong by the confidence and far under the threshold', async () => {
    const { loss, gradient, passing, settled } = await at(linearDetector(1, 9), Float32Array.of(0.1, 0.9));
    expect({ loss, passing, settled }).toEqual({ loss: -1, passing: 1, settled: true });
    expect([...gradient]).toEqual([0, 0]);
  });

  it('holds no gradient through a copy that the clip holds', async () => {
    const one = linearDetector(1, -3);
    const outward: DrawCopies = async () => [{ noise: [Float32Array.of(0.5, -0.5)], transforms: [] }];
    const input = Float32Array.of(0.9, 0.1);
    const [{ gradient }] = await jointLoss(linear as AttackTarget, one, {
      inputs: [input],
      labels: [0],
      draws: [await outward(input)],
      detectorWeights: [1],
      slack: 0,
      confidence: 1,
    });
    // The copy stays (1, 0): its change 4 - gap falls as the gap rises. gap 3.2, change 0.8.
    const relative = 0.8 / 3.21;
    const byGap = (-1 / 3.21 - 0.8 / 3.21 ** 2) / (relative + 1e-4);
    expect(gradient[0]).toBeCloseTo(4 * (1 + byGap), 3);
  });
});

const allCopies = planOf({
  noise: [{ family: 'gaussian', epsilon: 0.3, rows: 16, copies: 4 }],
  transforms: [
    { family: 'shift', dx: 1, dy: -1, edge: 'zeros' },
    { family: 'mirror' },
    { family: 'blur', sigma: 0.8, size: 5 },
  ],
});

/** Random weights, so that no entry of the vector is without influence. */
function randomDetector(design: VectorDesign): KnownDetector {
  const length = planVectorLength(design, { classes: 10, plan: allCopies });
  const random = seededRandom(3);
  const dense = (inputs: number, outputs: number) => ({
    inputs,
    outputs,
    weights: Float32Array.from({ length: inputs * outputs }, () => normal(random) / Math.sqrt(inputs)),
    biases: Float32Array.from({ length: outputs }, () => normal(random)),
  });
  const standardise = { mean: Array(length).fill(0), deviation: Array(length).fill(2), clip: 50 };
  const mlp = { layers: [dense(length, 24), dense(24, 2)], ...standardise };
  return { plan: allCopies, design, mlp, threshold: -60 };
}

describe('on LeNet-5', () => {
  let engine: Engine;
  let target: AttackTarget;
  const { inputs, labels } = drawDigits(1, 77);
  beforeAll(async () => {
    engine = await createOrtEngine({});
    const model = await readFile(new URL('mnist-lenet5.onnx', assets));
    const head = async (name: 'cross-entropy' | 'margin' | 'seed') =>
      engine.load(await gradientModel(model, { engine, head: name }));
    target = attackTarget(
      {
        forward: await engine.load(await forwardModel(model, { engine })),
        gradient: await head('cross-entropy'),
        loadHead: head,
      },
      { inputShape: [1, 28, 28], classes: 10, range: [0, 1] },
    );
  });
  afterAll(() => engine.close());

  const detectors: Record<string, () => KnownDetector> = {
    'a detector on rank gaps': () => randomDetector('rank-gaps'),
    'a detector on margin changes and rank gaps': () => randomDetector('margin-changes+rank-gaps'),
  };
  for (const [name, make] of Object.entries(detectors)) {
    it(`the gradient of the joint loss is that of central differences for ${name}`, async () => {
      const detector = make();
      const draws = await (await secretCopies(detector.plan, { draws: 3, seed: 5, inputSize: 784 }))(inputs);
      const lossesAt = (points: Float32Array[]) =>
        jointLoss(target, detector, {
          inputs: points,
          labels: points.map(() => labels[0]),
          draws: points.map(() => draws),
          detectorWeights: points.map(() => 0.5),
          slack: 0.1,
          confidence: 1,
        });
      // Away from the ground's flat grey, where every window of a MaxPool ties and has no gradient to compare with.
      const grain = seededRandom(8);
      const at = inputs.map((value) => 0.2 + 0.6 * value + 0.1 * grain());
      const [{ gradient }] = await lossesAt([at]);
      const random = seededRandom(9);
      const step = 1e-3;
      const directions = Array.from({ length: 24 }, () => at.map(() => normal(random) / 28));
      // A direction of the gradient itself makes at least one slope large against float32 rounding.
      const length = Math.hypot(...gradient);
      directions.push(gradient.map((value) => value / length));
      const moved = (direction: Float32Array, by: number) =>
        at.map((value, index) => value + by * direction[index]);
      const losses = await lossesAt(directions.flatMap((one) => [moved(one, step), moved(one, -step)]));
      const analytic = directions.map((one) =>
        one.reduce((sum, value, index) => sum + value * gradient[index], 0),
      );
      const numeric = directions.map(
        (_, index) => (losses[2 * index].loss - losses[2 * index + 1].loss) / (2 * step),
      );
      // ReLU and MaxPool have kinks that a step may cross: the typical error counts, relative to the gradient.
      const errors = analytic.map((value, index) => Math.abs(value - numeric[index]) / length);
      expect(length).toBeGreaterThan(0.5);
      expect(errors.toSorted((a, b) => a - b)[errors.length >> 1]).toBeLessThan(5e-3);
      expect(Math.abs(analytic[24] / numeric[24] - 1)).toBeLessThan(0.03);
    });
  }

  it('the copies of someone who holds the key are those of the compiled graph', async () => {
    const { bytes } = await compileModel(await readFile(new URL('mnist-lenet5.onnx', assets)), {
      name: 'm',
      plan: allCopies,
      noiseKey: key,
      engine,
    });
    const selection = await selectRows(key, allCopies, inputs);
    const { logits } = await extract(await engine.load(bytes), {
      x: inputs,
      inputShape: [1, 28, 28],
      selections: [selection],
    });
    const { mlp, design } = randomDetector('margin-changes+rank-gaps');
    const expected = mlpScore(mlp, planVector({ logits, plan: allCopies, classes: 10 }, design));
    const threshold = -1000;
    const draws = [await (await knownCopies(allCopies, { key, inputSize: 784 }))(inputs)];
    const [{ loss }] = await jointLoss(
      target,
      { plan: allCopies, design, mlp, threshold },
      { inputs: [inputs], labels: [...labels], draws, detectorWeights: [1], slack: 0, confidence: 0 },
    );
    const sorted = [...logits.subarray(0, 10)].sort((left, right) => right - left);
    const margin = Math.max(0, sorted[0] - sorted[1]);
    expect(loss - margin + threshold).toBeCloseTo(expected, 2);
  });
});

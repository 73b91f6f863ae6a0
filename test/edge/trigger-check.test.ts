// LeNet-5 behind the whole guard with a trigger check, of the whole plan and of a sequential test: distances as worked out here.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drawDigit, drawDigits } from '../../gpu-worker/datasets/synthetic-digits.ts';
import { createOrtEngine } from '../../gpu-worker/engine/ort-engine.ts';
import { openPenultimatePass } from '../../gpu-worker/evaluate/penultimate-pass.ts';
import { penultimateTap } from '../../gpu-worker/onnx/penultimate.ts';
import type { DetectorArtefact } from '../../shared/contracts/detector-artefact.ts';
import { type ExtractionPlan, extractionPlanSchema } from '../../shared/contracts/extraction.ts';
import { verdictSchema } from '../../shared/contracts/verdict.ts';
import {
  activationDistances,
  fitActivationGaussian,
  packGaussian,
} from '../../shared/detector/activation-gaussian.ts';
import { argmax } from '../../shared/maths/nccr-vector.ts';
import { seededRandom } from '../../shared/maths/random.ts';
import { type LenetEdge, startLenetEdge } from '../helpers/lenet-edge.ts';
import { sequentialFixture } from '../helpers/sequential-fixture.ts';

const modelFile = new URL('../../gpu-worker/demo/assets/mnist-lenet5.onnx', import.meta.url);
const classes = 10;
const digit = drawDigit(3, 77);
const random = seededRandom(6);
/** Nothing of a digit: half the pixels lit at random. */
const strange = Float32Array.from({ length: 784 }, () => (random() < 0.5 ? 1 : 0));
const [everyScore, noScore] = [-1e6, 1e6];
let plan: ExtractionPlan;
let check: NonNullable<DetectorArtefact['trigger_check']>;
/** Squared distances of the digit and of the strange image. */
let distances: [number, number];

beforeAll(async () => {
  const engine = await createOrtEngine({ workers: 1 });
  const model = await readFile(modelFile);
  const training = drawDigits(300, 1);
  const pass = await openPenultimatePass(model, training, { engine });
  const { activations, logits, neurons } = pass;
  await pass.close();
  const named = (values: Float32Array, row: number) =>
    argmax(values.subarray(row * classes, (row + 1) * classes));
  const labels = Int32Array.from({ length: 300 }, (_, row) => named(logits, row));
  const gaussian = fitActivationGaussian({ activations, labels, classes });
  const pair = new Float32Array(2 * 784);
  pair.set(digit);
  pair.set(strange, 784);
  const dataset = { name: 'pair', inputs: pair, inputShape: [1, 28, 28], labels: Int32Array.of(3, 4) };
  const both = await openPenultimatePass(model, dataset, { engine });
  await both.close();
  const distance = (row: number) =>
    activationDistances(
      gaussian,
      both.logits.subarray(row * classes, (row + 1) * classes),
      both.activations.subarray(row * neurons, (row + 1) * neurons),
    ).own;
  distances = [distance(0), distance(1)];
  check = {
    activations: packGaussian(gaussian),
    threshold: {
      value: (distances[0] + distances[1]) / 2,
      target_fpr: 0.05,
      fpr_ci95: [0.02, 0.09],
      calibration_samples: 200,
    },
  };
  plan = extractionPlanSchema.parse({
    input_range: [0, 1],
    noise: [{ family: 'gaussian', epsilon: 0.25, rows: 32, copies: 2 }],
    transforms: [],
    taps: [await penultimateTap(model, { engine })],
  });
  await engine.close();
}, 120_000);

const runs = [[0], [1, 2]];

describe.each([
  ['of the whole plan', false],
  ['of a sequential test that ends at its first stage', true],
])('a trigger check %s', (_, sequential) => {
  let guard: LenetEdge;
  beforeAll(async () => {
    guard = await startLenetEdge({
      mode: 'enforce',
      threshold: noScore,
      plan,
      parts: sequential ? runs : [],
      spoil: (artefact: DetectorArtefact) => {
        artefact.trigger_check = check;
        if (!sequential) return;
        const doubts = [{ lower: noScore, upper: null }];
        artefact.sequential = sequentialFixture(artefact, { runs, doubts, threshold: noScore, neurons: 84 });
      },
    });
  }, 120_000);
  afterAll(() => guard?.stop());

  const body = (...rows: Float32Array[]) => {
    const data = rows.flatMap((row) => Array.from(row));
    const shape = [rows.length, ...guard.inputShape];
    return JSON.stringify({ inputs: [{ name: guard.inputName, shape, datatype: 'FP32', data }] });
  };
  const verdictOf = async (...rows: Float32Array[]) => {
    const path = `/v1/guard/verdicts?model=${guard.name}`;
    const answer = await guard.call(path, { method: 'POST', body: body(...rows) });
    return verdictSchema.parse(await answer.json());
  };

  it('blocks an input far from its class and says why, whatever the detector says of it', async () => {
    const verdict = await verdictOf(digit, strange);
    expect(verdict).toMatchObject({
      verdict: 'block',
      reasons: ['trigger.far_from_class'],
      taxonomy: ['AML.T0043.004'],
      rows: [{ verdict: 'allow' }, { verdict: 'block' }],
    });
    for (const [row, distance] of distances.entries()) {
      const { score, threshold } = verdict.rows[row].trigger!;
      expect(threshold).toBe(check.threshold.value);
      // The compiled graph may round otherwise than the plain one.
      expect(Math.abs(score / distance - 1)).toBeLessThan(1e-3);
    }
  });

  it('lets an input near its class pass', async () => {
    expect(await verdictOf(digit)).toMatchObject({ verdict: 'allow', reasons: [], taxonomy: [] });
  });

  it('is repeated to the bit when a verdict is replayed', async () => {
    const { id } = await verdictOf(strange);
    for (let attempt = 0; attempt < 500; attempt++) {
      if ((await guard.call(`/v1/verdicts/${id}`)).status === 200) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const answer = await guard.call(`/v1/verdicts/${id}/replay`, { method: 'POST', body: body(strange) });
    expect(await answer.json()).toMatchObject({
      matches: true,
      recorded: { verdict: 'block' },
      replayed: { verdict: 'block' },
    });
  });
});

describe('a detector without a trigger check', () => {
  it('says nothing of one in its verdicts', async () => {
    const guard = await startLenetEdge({ mode: 'enforce', threshold: everyScore });
    try {
      const inputs = [
        { name: guard.inputName, shape: [1, ...guard.inputShape], datatype: 'FP32', data: [...digit] },
      ];
      const path = `/v1/guard/verdicts?model=${guard.name}`;
      const answer = await guard.call(path, { method: 'POST', body: JSON.stringify({ inputs }) });
      const verdict = verdictSchema.parse(await answer.json());
      expect(verdict).toMatchObject({ verdict: 'block', reasons: ['nccr.above_threshold'] });
      expect(verdict.rows[0]).not.toHaveProperty('trigger');
    } finally {
      await guard.stop();
    }
  }, 120_000);
});

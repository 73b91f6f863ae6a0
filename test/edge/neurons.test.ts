// A detector on neurons, calibrated and behind the whole guard: its scores are those of the parts, and can be replayed.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { calibrateDetector } from '../../gpu-worker/calibrate/calibrate-detector.ts';
import { designVectors, extractRows } from '../../gpu-worker/calibrate/extract-rows.ts';
import { openDetectorWork } from '../../gpu-worker/cli/detector-work.ts';
import { drawDigit, drawDigits } from '../../gpu-worker/datasets/synthetic-digits.ts';
import { attackGuardedModel } from '../../gpu-worker/evaluate/guard-attack.ts';
import { type DetectorArtefact, detectorArtefactSchema } from '../../shared/contracts/detector-artefact.ts';
import { extractionPlanSchema, planUnits } from '../../shared/contracts/extraction.ts';
import { type Verdict, verdictSchema } from '../../shared/contracts/verdict.ts';
import { mlpOfArtefact, mlpScore } from '../../shared/detector/mlp.ts';
import { transformPresets } from '../../shared/noise/transform-presets.ts';
import { lenetFile } from '../helpers/command-line.ts';
import { type LenetEdge, startLenetEdge } from '../helpers/lenet-edge.ts';

const digits = [0, 1, 2, 3].map((label) => drawDigit(label, 1));

let artefact: DetectorArtefact;
let guard: LenetEdge;
let work: Awaited<ReturnType<typeof openDetectorWork>>;
beforeAll(async () => {
  const plan = extractionPlanSchema.parse({
    input_range: [0, 1],
    noise: [],
    transforms: transformPresets['w0-grey'],
    taps: [],
  });
  const model = await readFile(lenetFile);
  work = await openDetectorWork(model, { name: 'mnist-lenet5', plan, seed: 1, neurons: true });
  const calibrated = await calibrateDetector(
    { ...work, dataset: drawDigits(100, 1) },
    {
      design: 'margin-changes+neurons',
      targetFpr: 0.1,
      images: 100,
      budgets: [0.1, 0.3],
      acceptShifts: true,
      seed: 1,
      version: '1.0.0',
      createdAt: new Date('2026-01-01T00:00:00Z'),
    },
    () => {},
  );
  artefact = detectorArtefactSchema.parse(JSON.parse(JSON.stringify(calibrated)));
  guard = await startLenetEdge({
    mode: 'enforce',
    threshold: 0,
    plan: artefact.plan,
    design: 'margin-changes',
    spoil: (byHand) => Object.assign(byHand, artefact),
  });
}, 300_000);
afterAll(async () => {
  await guard?.stop();
  await work?.close();
});

function body(rows: readonly Float32Array[]): string {
  const shape = [rows.length, ...guard.inputShape];
  const data = rows.flatMap((row) => Array.from(row));
  return JSON.stringify({ inputs: [{ name: guard.inputName, shape, datatype: 'FP32', data }] });
}

async function verdictOf(rows: readonly Float32Array[]): Promise<Verdict> {
  const path = `/v1/guard/verdicts?model=${guard.name}`;
  const answer = await guard.call(path, { method: 'POST', body: body(rows) });
  expect(answer.status).toBe(200);
  return verdictSchema.parse(await answer.json());
}

describe('a detector on neurons', () => {
  it('reads every layer of the model, within the parameters of a detector', () => {
    const { plan, vector, mlp, calibration } = artefact;
    // conv1, conv2, fc1, fc2 and the logits of LeNet-5.
    expect(planUnits(plan)).toBe(6 + 16 + 120 + 84 + 10);
    expect(vector.length).toBe(15 + 3 * 236);
    // 16-34-13-2 and a head of two entries a neuron.
    expect(mlp.parameters).toBe(578 + 455 + 28 + 2 * 236 + 1);
    expect(mlp.head?.entries).toHaveLength(472);
    expect(calibration.shifts?.map(({ shift }) => shift)).toContain('jpeg 50');
  });

  it('scores at the edge as its parts do when they are put together by hand', async () => {
    const verdict = await verdictOf(digits);
    expect(verdict.detector?.scorer).toBe('typescript');
    const mlp = mlpOfArtefact(artefact);
    const { vectors, length } = designVectors(
      await extractRows(work.extractor, Float32Array.from(digits.flatMap((digit) => [...digit]))),
      'margin-changes+neurons',
    );
    for (const [row, { score }] of verdict.rows.entries()) {
      const expected = mlpScore(mlp, vectors.subarray(row * length, (row + 1) * length));
      expect(Math.abs(score - expected)).toBeLessThanOrEqual(1e-6 * Math.max(1, Math.abs(expected)));
    }
    expect((await verdictOf([digits[2]])).rows[0].score).toBe(verdict.rows[2].score);
  });

  it('has verdicts that a replay repeats to the bit', async () => {
    const { id, rows } = await verdictOf(digits);
    const replay = () => guard.call(`/v1/verdicts/${id}/replay`, { method: 'POST', body: body(digits) });
    let answer = await replay();
    // The audit is written behind the answer.
    for (let attempt = 0; answer.status === 404 && attempt < 500; attempt++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      answer = await replay();
    }
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({
      matches: true,
      replayed: { scores: rows.map(({ score }) => score) },
    });
  });

  it('is attacked by what needs no gradient of it, and the report says so', async () => {
    const report = await attackGuardedModel(
      { artefact, extractor: work.extractor, target: work.target, dataset: drawDigits(12, 7) },
      { images: 6, budgets: [0.3], steps: 5, draws: 2, queries: 10, seed: 2 },
      () => {},
    );
    const [{ guarded }] = report.budgets;
    const attacks = ['pgd-unaware', 'uniform-noise', 'square', 'boundary'];
    expect(guarded.attacks.map(({ attack }) => attack)).toEqual(attacks);
    expect(report.masking).toEqual([
      { flag: 'no-aware-attack', raised: true, detail: expect.stringContaining('upper bounds') },
    ]);
  });
});

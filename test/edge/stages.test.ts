// LeNet-5 behind the whole guard with a sequential test: the same end as where everything is known, at no more than its cost.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drawDigit } from '../../gpu-worker/datasets/synthetic-digits.ts';
import { createOrtEngine } from '../../gpu-worker/engine/ort-engine.ts';
import { extract } from '../../gpu-worker/extraction/extract.ts';
import { penultimateTap } from '../../gpu-worker/onnx/penultimate.ts';
import { type DetectorArtefact, detectorArtefactSchema } from '../../shared/contracts/detector-artefact.ts';
import { type ExtractionPlan, extractionPlanSchema } from '../../shared/contracts/extraction.ts';
import { type Verdict, verdictSchema } from '../../shared/contracts/verdict.ts';
import { evidencePlan, loadSequentialTest, sequentialScore } from '../../shared/detector/sequential-test.ts';
import { importNoiseKeyHex, sha256Digest } from '../../shared/noise/noise-key.ts';
import { selectRows } from '../../shared/noise/select-rows.ts';
import { transformPresets } from '../../shared/noise/transform-presets.ts';
import { noiseKeyHex } from '../helpers/guarded-edge.ts';
import { type LenetEdge, startLenetEdge } from '../helpers/lenet-edge.ts';
import { sequentialFixture } from '../helpers/sequential-fixture.ts';

const modelFile = new URL('../../gpu-worker/demo/assets/mnist-lenet5.onnx', import.meta.url);
// Two copies with noise, then five transforms; the stages take them in an order of their own.
const runs = [[0], [1, 7], [2, 3, 4, 5, 6]];
const digits = Array.from({ length: 12 }, (_, index) => drawDigit(index % 10, 1 + index));
let plan: ExtractionPlan;
let guard: LenetEdge;

/** Chosen so that of the digits some end at each stage; a test below holds that they do. */
const doubts = [
  { lower: 5.2, upper: 5.9 },
  { lower: -5.4, upper: null },
];

beforeAll(async () => {
  const engine = await createOrtEngine({ workers: 1 });
  plan = extractionPlanSchema.parse({
    input_range: [0, 1],
    noise: [{ family: 'gaussian', epsilon: 0.25, rows: 32, copies: 2 }],
    transforms: transformPresets['w0-grey'],
    taps: [await penultimateTap(await readFile(modelFile), { engine })],
  });
  await engine.close();
  guard = await startLenetEdge({
    mode: 'enforce',
    threshold: 0,
    plan,
    parts: runs,
    spoil: (artefact: DetectorArtefact) => {
      artefact.sequential = sequentialFixture(artefact, { runs, doubts, threshold: 0, neurons: 84 });
    },
  });
}, 120_000);
afterAll(() => guard?.stop());

function body(rows: readonly Float32Array[]): string {
  const shape = [rows.length, ...guard.inputShape];
  const data = rows.flatMap((row) => Array.from(row));
  return JSON.stringify({ inputs: [{ name: guard.inputName, shape, datatype: 'FP32', data }] });
}

function ask(rows: readonly Float32Array[]): Promise<Response> {
  return guard.call(`/v1/guard/verdicts?model=${guard.name}`, { method: 'POST', body: body(rows) });
}

async function verdictOf(rows: readonly Float32Array[]): Promise<Verdict> {
  const answer = await ask(rows);
  expect(answer.status).toBe(200);
  return verdictSchema.parse(await answer.json());
}

async function untilAudited(id: string): Promise<void> {
  for (let attempt = 0; attempt < 500; attempt++) {
    if ((await guard.call(`/v1/verdicts/${id}`)).status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The same test where every copy of an input was run. */
async function offline(x: Float32Array) {
  const artefact = detectorArtefactSchema.parse(JSON.parse(new TextDecoder().decode(guard.artefact)));
  const test = loadSequentialTest(artefact, artefact.sequential!);
  const selection = await selectRows(await importNoiseKeyHex(noiseKeyHex), plan, x);
  const { inputShape } = guard;
  const { logits, changes } = await extract(guard.served.loaded, { x, inputShape, selections: [selection] });
  const evidence = { logits, activations: changes! };
  const ended = sequentialScore(test, evidencePlan(artefact), evidence);
  return { ...ended, forwards: test.stages[ended.stage].seen.length };
}

describe('a guard with a sequential test', () => {
  it('is ready', async () => {
    expect((await guard.call('/v2/health/ready')).status).toBe(200);
  });

  it('ends each row at the stage and with the score of the whole evidence, and says what it cost', async () => {
    const verdict = await verdictOf(digits);
    const expected = await Promise.all(digits.map(offline));
    expect(new Set(expected.map(({ stage }) => stage))).toEqual(new Set([0, 1, 2]));
    expect(verdict.rows.map(({ forwards }) => forwards)).toEqual(expected.map(({ forwards }) => forwards));
    for (const [row, { score }] of expected.entries()) {
      const tolerance = 1e-6 * Math.max(1, Math.abs(score));
      expect(Math.abs(verdict.rows[row].score - score)).toBeLessThanOrEqual(tolerance);
      expect(verdict.rows[row].verdict).toBe(score > 0 ? 'block' : 'allow');
    }
    expect(verdict.detector).toMatchObject({
      compiled_digest: await sha256Digest(guard.compiledParts[0]),
      stage_digests: await Promise.all(guard.compiledParts.map(sha256Digest)),
      scorer: 'typescript',
    });
  });

  it('gives a row the same score and cost alone and in a batch', async () => {
    const batch = await verdictOf(digits);
    for (const [row, digit] of digits.entries()) {
      const [alone] = (await verdictOf([digit])).rows;
      expect(alone).toEqual({ ...batch.rows[row], row: 0 });
    }
  });

  it('replays a verdict bit for bit', async () => {
    const verdict = await verdictOf(digits);
    await untilAudited(verdict.id);
    const answer = await guard.call(`/v1/verdicts/${verdict.id}/replay`, {
      method: 'POST',
      body: body(digits),
    });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ matches: true });
  });

  it('counts the forward passes', async () => {
    const text = await (await guard.call('/metrics')).text();
    expect(text).toMatch(/guard_forwards_bucket\{le="1",model="mnist-lenet5"\} [1-9]/);
  });

  it('fails where a later stage does not answer in time, never takes the earlier score for a pass, and keeps a block that was found', async () => {
    const ends = await Promise.all(digits.map(offline));
    const doubtful = digits[ends.findIndex(({ stage }) => stage === 2)];
    const sure = digits[ends.findIndex(({ stage, score }) => stage === 0 && score > 0)];
    const { loaded } = guard.servedParts[1];
    const kept = { ...loaded };
    Object.assign(loaded, { run: () => new Promise(() => undefined) });
    try {
      const answer = await ask([doubtful]);
      expect(answer.status).toBe(504);
      expect(await answer.json()).toMatchObject({ code: 'deadline_exceeded' });
      const blocked = await verdictOf([doubtful, sure]);
      expect(blocked).toMatchObject({
        verdict: 'block',
        reasons: ['nccr.above_threshold', 'failure.timeout'],
        failure: { class: 'timeout', code: 'deadline_exceeded' },
      });
      // Of the row in doubt nothing is said.
      expect(blocked.rows.map(({ row }) => row)).toEqual([1]);
      const refused = await guard.call(`/v2/models/${guard.name}/infer`, {
        method: 'POST',
        body: body([doubtful]),
      });
      expect(refused.status).toBe(504);
      expect(guard.upstream.received).toEqual([]);
      expect((await verdictOf([sure])).rows[0].forwards).toBe(1);
    } finally {
      Object.assign(loaded, kept);
    }
  }, 30_000);

  it('is not ready, and does not score a row in doubt, where the graph of a stage is another', async () => {
    const { parameters } = guard.servedParts[2];
    const kept = { ...parameters };
    Object.assign(parameters, { guard_plan_digest: `sha256:${'0'.repeat(64)}` });
    try {
      // What a readiness check found is answered for a second.
      await new Promise((resolve) => setTimeout(resolve, 1_100));
      expect((await guard.call('/v2/health/ready')).status).toBe(400);
      const ends = await Promise.all(digits.map(offline));
      const answer = await ask(digits.filter((_, index) => ends[index].stage === 2));
      expect(answer.status).toBe(503);
      expect(await answer.json()).toMatchObject({ code: 'detector_unavailable' });
    } finally {
      Object.assign(parameters, kept);
    }
  });
});

// Guards without a gpu-worker: the detector Worker runs the compiled graph, and the verdicts are those of a gpu-worker.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drawDigit } from '../../gpu-worker/datasets/synthetic-digits.ts';
import { type RunningEdge, startEdge } from '../../gpu-worker/demo/edge-runtime.ts';
import { createOrtEngine } from '../../gpu-worker/engine/ort-engine.ts';
import { compileModel } from '../../gpu-worker/extraction/compile-model.ts';
import { extract } from '../../gpu-worker/extraction/extract.ts';
import { planScreening } from '../../gpu-worker/extraction/plan-screening.ts';
import { penultimateTap } from '../../gpu-worker/onnx/penultimate.ts';
import { type DetectorArtefact, detectorArtefactSchema } from '../../shared/contracts/detector-artefact.ts';
import { type ExtractionPlan, extractionPlanSchema } from '../../shared/contracts/extraction.ts';
import { type Verdict, verdictSchema } from '../../shared/contracts/verdict.ts';
import { evidencePlan, loadSequentialTest, sequentialScore } from '../../shared/detector/sequential-test.ts';
import { graphBytesMax } from '../../shared/limits.ts';
import { importNoiseKeyHex, sha256Digest } from '../../shared/noise/noise-key.ts';
import { selectRows } from '../../shared/noise/select-rows.ts';
import { transformPresets } from '../../shared/noise/transform-presets.ts';
import { detectorFixture } from '../helpers/detector-fixture.ts';
import { noiseKeyHex } from '../helpers/guarded-edge.ts';
import { type LenetEdge, startLenetEdge } from '../helpers/lenet-edge.ts';
import { lenetGuard } from '../helpers/lenet-guard.ts';
import { sequentialFixture } from '../helpers/sequential-fixture.ts';
import { testSigner } from '../helpers/test-signer.ts';

/**
 * How far two runtimes may be apart, relative to the larger of one and the score: each rounds float32 in an order of its own, and
 * the vector adds up what they differ by. Over these digits it was 7e-7.
 */
const scoreTolerance = 1e-5;
const modelFile = new URL('../../gpu-worker/demo/assets/mnist-lenet5.onnx', import.meta.url);
const digits = Array.from({ length: 12 }, (_, index) => drawDigit(index % 10, 1 + index));

function body({ inputName, inputShape }: LenetEdge, rows: readonly Float32Array[]): string {
  const data = rows.flatMap((row) => Array.from(row));
  const tensor = { name: inputName, shape: [rows.length, ...inputShape], datatype: 'FP32', data };
  return JSON.stringify({ inputs: [tensor] });
}

async function verdictOf(guard: LenetEdge, rows: readonly Float32Array[]): Promise<Verdict> {
  const path = `/v1/guard/verdicts?model=${guard.name}`;
  const answer = await guard.call(path, { method: 'POST', body: body(guard, rows) });
  expect(answer.status).toBe(200);
  return verdictSchema.parse(await answer.json());
}

function expectSame(found: Verdict, expected: Verdict): void {
  const parts = ({ rows }: Verdict) =>
    rows.map(({ verdict, forwards, input_digest: digest }) => ({ verdict, forwards, digest }));
  expect(parts(found)).toEqual(parts(expected));
  for (const [row, { score }] of expected.rows.entries()) {
    const bound = scoreTolerance * Math.max(1, Math.abs(score));
    expect(Math.abs(found.rows[row].score - score), `row ${row}`).toBeLessThanOrEqual(bound);
  }
  expect(found.verdict).toBe(expected.verdict);
  const { artefact, compiled_digest, noise_key_id, stage_digests } = expected.detector!;
  expect(found.detector).toMatchObject({ artefact, compiled_digest, noise_key_id });
  expect(found.detector!.stage_digests).toEqual(stage_digests);
}

/** Asks until the answer is 200: a check gives a graph five seconds, and goes on opening it where that is too short. */
async function untilReady(url: URL): Promise<Response> {
  for (let attempt = 0; ; attempt++) {
    const answer = await fetch(url);
    if (answer.status === 200) return answer;
    if (attempt === 20) throw new Error(`not ready: ${answer.headers.get('x-guard-not-ready')}`);
    await answer.body?.cancel();
  }
}

describe('a guard without a gpu-worker', () => {
  const guards: LenetEdge[] = [];
  beforeAll(async () => {
    const options = { mode: 'enforce', threshold: 12.3 } as const;
    guards.push(
      ...(await Promise.all([startLenetEdge({ ...options, server: 'none' }), startLenetEdge(options)])),
    );
  }, 180_000);
  afterAll(async () => {
    for (const guard of guards) await guard.stop();
  });

  it('loads its graph once for callers that come at the same time, and tells them the same', async () => {
    const [own] = guards;
    const verdicts = await Promise.all(Array.from({ length: 8 }, () => verdictOf(own, [digits[0]])));
    for (const { rows } of verdicts) expect(rows).toEqual(verdicts[0].rows);
  });

  it('is ready without a word of what it does without', async () => {
    const answer = await untilReady(new URL('/v2/health/ready', guards[0].edge.url));
    expect(answer.headers.get('x-guard-degraded')).toBeNull();
  });

  it('gives the verdicts that a gpu-worker leads to', async () => {
    const [own] = guards;
    const [found, expected] = await Promise.all(guards.map((guard) => verdictOf(guard, digits)));
    expectSame(found, expected);
    expect(found.detector!.compiled_digest).toBe(await sha256Digest(own.compiled));
    expect(new Set(expected.rows.map(({ verdict }) => verdict)).size).toBe(2);
  });

  it('gives a row the same score alone and in a batch', async () => {
    const batch = await verdictOf(guards[0], digits);
    const [alone] = (await verdictOf(guards[0], [digits[7]])).rows;
    expect(alone).toEqual({ ...batch.rows[7], row: 0 });
  });

  it('refuses a blocked input and forwards an allowed one', async () => {
    const [own] = guards;
    const { rows } = await verdictOf(own, digits);
    for (const verdict of ['allow', 'block'] as const) {
      const digit = digits[rows.findIndex((row) => row.verdict === verdict)];
      own.upstream.received.length = 0;
      const path = `/v2/models/${own.name}/infer`;
      const answer = await own.call(path, { method: 'POST', body: body(own, [digit]) });
      expect(answer.status).toBe(verdict === 'allow' ? 200 : 403);
      expect(own.upstream.received.length).toBe(verdict === 'allow' ? 1 : 0);
    }
  });

  it('says of files and of training data that they need a gpu-worker', async () => {
    const [own] = guards;
    const headers = { authorization: own.authorization, 'content-type': 'image/png' };
    const file = await fetch(new URL(`/v2/models/${own.name}/infer`, own.edge.url), {
      method: 'POST',
      headers,
      body: Uint8Array.of(0x89, 0x50, 0x4e, 0x47),
    });
    expect(file.status).toBe(415);
    expect(await file.text()).toContain('gpu-worker');
    const job = await fetch(new URL('/v1/screenings', own.edge.url), {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json', 'idempotency-key': 'one' },
      body: JSON.stringify({ model: own.name, format: 'npz' }),
    });
    expect(job.status).toBe(404);
    expect(await job.text()).toContain('gpu-worker');
  });
});

describe('a guard without a gpu-worker and with a sequential test', () => {
  const runs = [[0], [1, 7], [2, 3, 4, 5, 6]];
  const doubts = [
    { lower: 5.2, upper: 5.9 },
    { lower: -5.4, upper: null },
  ];
  let plan: ExtractionPlan;
  let guard: LenetEdge;
  beforeAll(async () => {
    const engine = await createOrtEngine({ workers: 1 });
    plan = extractionPlanSchema.parse({
      input_range: [0, 1],
      noise: [{ family: 'gaussian', epsilon: 0.25, rows: 32, copies: 2 }],
      transforms: transformPresets['w0-grey'],
      taps: [await penultimateTap(await readFile(modelFile), { engine })],
    });
    await engine.close();
    const spoil = (artefact: DetectorArtefact) => {
      artefact.sequential = sequentialFixture(artefact, { runs, doubts, threshold: 0, neurons: 84 });
    };
    const options = { mode: 'enforce', threshold: 0, plan, parts: runs, spoil } as const;
    guard = await startLenetEdge({ ...options, server: 'none' });
  }, 180_000);
  afterAll(() => guard?.stop());

  it('is ready with the graphs of all stages', async () => {
    await untilReady(new URL('/v2/health/ready', guard.edge.url));
  });

  it('ends each row at the stage and with the score of the whole evidence, as the native runtime gives it', async () => {
    const verdict = await verdictOf(guard, digits);
    const artefact = detectorArtefactSchema.parse(JSON.parse(new TextDecoder().decode(guard.artefact)));
    const test = loadSequentialTest(artefact, artefact.sequential!);
    const key = await importNoiseKeyHex(noiseKeyHex);
    const forwards = new Set<number>();
    for (const [row, x] of digits.entries()) {
      const selections = [await selectRows(key, plan, x)];
      const { inputShape, served } = guard;
      const { logits, changes } = await extract(served.loaded, { x, inputShape, selections });
      const evidence = { logits, activations: changes! };
      const { score, stage } = sequentialScore(test, evidencePlan(artefact), evidence);
      const bound = scoreTolerance * Math.max(1, Math.abs(score));
      expect(Math.abs(verdict.rows[row].score - score), `row ${row}`).toBeLessThanOrEqual(bound);
      expect(verdict.rows[row].forwards).toBe(test.stages[stage].seen.length);
      forwards.add(test.stages[stage].seen.length);
    }
    expect(forwards.size).toBe(3);
    const digests = await Promise.all(guard.compiledParts.map(sha256Digest));
    expect(verdict.detector!.stage_digests).toEqual(digests);
  });
});

describe('a guard without a gpu-worker whose graph is not what it should be', () => {
  const logs: string[] = [];
  let edge: RunningEdge;
  beforeAll(async () => {
    const engine = await createOrtEngine({ workers: 1 });
    const guard = await lenetGuard(engine, { noiseKeyHex, threshold: 0 });
    const otherKey = await lenetGuard(engine, { noiseKeyHex: '6b'.repeat(32), threshold: 0 });
    const plain = await readFile(modelFile);
    const screening = await compileModel(plain, {
      name: guard.name,
      plan: await planScreening(plain, { engine, mode: 'nccr', range: [0, 1] }),
      noiseKey: await importNoiseKeyHex(noiseKeyHex),
      engine,
      screening: 'nccr',
    });
    await engine.close();
    const { compiled } = guard;
    const wrongDigest = `sha256:${'0'.repeat(64)}`;
    // What lies in R2, and the digest that the configuration names where it is another.
    const graphs: Record<string, { bytes?: Uint8Array; digest?: string }> = {
      missing: { digest: wrongDigest },
      replaced: { bytes: compiled, digest: wrongDigest },
      large: { bytes: new Uint8Array(graphBytesMax + 1) },
      plain: { bytes: plain },
      broken: { bytes: compiled.subarray(0, compiled.length - 100) },
      otherkey: { bytes: otherKey.compiled },
      screening: { bytes: screening.bytes },
      sound: { bytes: compiled },
    };
    const parsed = detectorArtefactSchema.parse(JSON.parse(new TextDecoder().decode(guard.artefact)));
    const { input_name: inputName, input_shape: inputShape, digest: modelDigest, classes } = parsed.model;
    const objects: { key: string; bytes: Uint8Array }[] = [];
    const models = [];
    for (const [model, { bytes, digest }] of Object.entries(graphs)) {
      const of = { model, modelDigest, inputName, inputShape, classes, plan: parsed.plan, threshold: 0 };
      const artefact = `detectors/${model}.json`;
      const key = `graphs/${model}.onnx`;
      objects.push({ key: artefact, bytes: await detectorFixture(of) });
      if (bytes !== undefined) objects.push({ key, bytes });
      const graph = { key, digest: digest ?? (await sha256Digest(bytes!)) };
      models.push({ name: model, mode: 'enforce', artefact, graph });
    }
    edge = await startEdge({
      host: '127.0.0.1',
      port: 0,
      bindings: {
        UPSTREAM_URL: 'http://127.0.0.1:9',
        GUARD_MODELS: JSON.stringify(models),
        NOISE_KEY: noiseKeyHex,
        ARTEFACT_PUBLIC_KEY: testSigner.publicKeyBase64,
        AUTH: 'none',
        GUARD_TIMEOUT_MS: '60000',
      },
      artefacts: objects,
      onLog: (line) => logs.push(line),
    });
  }, 180_000);
  afterAll(() => edge?.stop());

  it.each([
    ['missing', 'there is no compiled graph'],
    ['replaced', 'not the one that the configuration names'],
    ['large', 'at most 8388608 are run'],
    ['plain', 'it is not compiled'],
    ['broken', 'the compiled graph cannot be run'],
    ['otherkey', 'another noise key'],
    ['screening', 'made for screening'],
  ])('is refused where it is %s, and never taken for a pass', async (model, why) => {
    const tensor = { name: 'input', shape: [1, 1, 28, 28], datatype: 'FP32', data: Array.from(digits[0]) };
    const answer = await fetch(new URL(`/v2/models/${model}/infer`, edge.url), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ inputs: [tensor] }),
    });
    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({ code: 'detector_unavailable' });
    const ready = await fetch(new URL(`/v2/models/${model}/ready`, edge.url));
    expect(ready.headers.get('x-guard-not-ready')).toBe(`${model}: detector_unavailable`);
    expect(logs.join('\n')).toContain(why);
  });

  it('leaves the models beside it alone', async () => {
    await untilReady(new URL('/v2/models/sound/ready', edge.url));
  });
});

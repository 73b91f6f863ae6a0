// The edge in workerd between fixtures that a test controls: a canned extractor before it, a counting upstream behind it.
import { afterAll, beforeAll } from 'vitest';
import { type RunningEdge, startEdge } from '../../gpu-worker/demo/edge-runtime.ts';
import { extractionPlanSchema } from '../../shared/contracts/extraction.ts';
import type { Verdict } from '../../shared/contracts/verdict.ts';
import { importNoiseKeyHex } from '../../shared/noise/noise-key.ts';
import { planDigest } from '../../shared/noise/plan-digest.ts';
import { writeBinaryRequest } from '../../shared/oip/write-message.ts';
import { answerHonestly, type CannedModel, startCannedExtractor } from './canned-extractor.ts';
import { type DetectorFixture, detectorFixture } from './detector-fixture.ts';
import { type FixtureServer, type ReceivedRequest, startFixtureServer } from './fixture-server.ts';
import { testSigner } from './test-signer.ts';

export const noiseKeyHex = '5a'.repeat(32);
export const apiToken = 'a-token-of-the-tests-0123456789';
export const gpuWorkerToken = 'a-token-of-the-gpu-worker-0123456789';
export const modelDigest = `sha256:${'a'.repeat(64)}`;
export const inputShape = [1, 2, 3];
export const plan = extractionPlanSchema.parse({
  input_range: [0, 1],
  noise: [{ family: 'gaussian', epsilon: 0.1, rows: 16, copies: 4 }],
  transforms: [],
  taps: [],
});

/** One model a mode, all of the same profile. */
export const modes = ['off', 'shadow', 'enforce'] as const;

/** What `upstreamAnswers` sends; a byte that is no UTF-8 shows that nothing read it as text. */
export const upstreamBody = Buffer.from([...Buffer.from('{"model_name":"m","outputs":[]}'), 0x20, 0xff]);

/** The upstream's usual behaviour: counts by its list and answers the same bytes every time. */
export function upstreamAnswers(
  _request: ReceivedRequest,
  response: Parameters<FixtureServer['behaviour']>[1],
) {
  response
    .writeHead(200, {
      'content-type': 'application/json',
      'x-guard-verdict': 'forged',
      'x-model-note': 'kept',
    })
    .end(upstreamBody);
}

/** A running edge with its fixtures. */
export interface GuardedEdge {
  readonly edge: RunningEdge;
  readonly extractor: FixtureServer;
  readonly upstream: FixtureServer;
  readonly canned: CannedModel;
  readonly logs: string[];
  /** Calls the edge with the token unless the headers have another. */
  call(path: string, init?: RequestInit): Promise<Response>;
  /** Sends one inference to the model of a mode. */
  infer(
    mode: string,
    body?: string | Uint8Array<ArrayBuffer> | ReadableStream,
    headers?: Record<string, string>,
  ): Promise<Response>;
  /** Waits for a verdict to reach the audit. */
  audited(id: string | null): Promise<Verdict>;
}

/** What a test file changes of the usual edge. */
export interface GuardedEdgeOptions {
  readonly bindings?: Readonly<Record<string, string>>;
  /** Variables of the detector Worker, where they are not the edge's own. */
  readonly detectorBindings?: Readonly<Record<string, string>>;
  /** Changes of the detector by the model's name, which is its mode. */
  readonly detectors?: Readonly<Record<string, Partial<DetectorFixture>>>;
  /** See `EdgeOptions`. */
  readonly frontModule?: string;
}

/** Starts the edge for one test file; its parts are there once the tests run. */
export function guardedEdge({
  bindings = {},
  detectorBindings,
  detectors = {},
  frontModule,
}: GuardedEdgeOptions = {}): GuardedEdge {
  const guarded: Partial<Mutable<GuardedEdge>> & { logs: string[] } = { logs: [] };
  beforeAll(async () => {
    const { id: noiseKeyId } = await importNoiseKeyHex(noiseKeyHex);
    guarded.canned = { modelDigest, noiseKeyId, planDigest: await planDigest(plan), classes: 10 };
    guarded.extractor = await startCannedExtractor(guarded.canned);
    guarded.upstream = await startFixtureServer(upstreamAnswers);
    const models = modes.map((mode) => ({
      name: mode,
      mode,
      version: '3',
      artefact: `detectors/${mode}.json`,
    }));
    const artefacts = await Promise.all(
      modes.map(async (model) => {
        const usual = { model, modelDigest, inputShape, classes: 10, plan, threshold: 0 };
        const bytes = await detectorFixture({ ...usual, ...detectors[model] });
        return { key: `detectors/${model}.json`, bytes };
      }),
    );
    guarded.edge = await startEdge({
      host: '127.0.0.1',
      port: 0,
      bindings: {
        GPU_WORKER_URL: guarded.extractor.url,
        UPSTREAM_URL: guarded.upstream.url,
        GUARD_MODELS: JSON.stringify(models),
        GPU_WORKER_TOKEN: gpuWorkerToken,
        NOISE_KEY: noiseKeyHex,
        ARTEFACT_PUBLIC_KEY: testSigner.publicKeyBase64,
        API_TOKEN: apiToken,
        // What one test breaks must not change what the next one is answered.
        BREAKER_CALLS_MIN: '1000000',
        // Both scorers see every request, and no verdict waits for a pause between the tests' requests.
        DETECTOR_CHECK_PERCENT: '100',
        SHADOW_SHARE_PERCENT: '100',
        ...bindings,
      },
      ...(detectorBindings === undefined ? {} : { detectorBindings }),
      ...(frontModule === undefined ? {} : { frontModule }),
      artefacts,
      onLog: (line) => guarded.logs.push(line),
    });
  }, 180_000);
  afterAll(async () => {
    await guarded.edge?.stop();
    await guarded.extractor?.die();
    await guarded.upstream?.die();
  });
  guarded.call = (path, init = {}) => {
    const headers = new Headers(init.headers);
    if (!headers.has('authorization')) headers.set('authorization', `Bearer ${apiToken}`);
    return fetch(new URL(path, guarded.edge!.url), { ...init, headers });
  };
  guarded.infer = (mode, body = jsonBody(), headers = {}) =>
    guarded.call!(`/v2/models/${mode}/infer`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json', ...headers },
    });
  guarded.audited = async (id) => {
    for (let attempt = 0; attempt < 500; attempt++) {
      const answer = await guarded.call!(`/v1/verdicts/${id}`);
      if (answer.status === 200) return (await answer.json()) as Verdict;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`verdict ${id} did not reach the audit`);
  };
  return guarded as GuardedEdge;
}

/** Puts the fixtures back to their usual behaviour and forgets what they received. */
export function resetFixtures({ extractor, upstream, canned }: GuardedEdge): void {
  extractor.behaviour = answerHonestly(canned);
  upstream.behaviour = upstreamAnswers;
  extractor.received.length = 0;
  upstream.received.length = 0;
}

/** An input that the canned extractor leaves at rest: the detector allows it. */
export const calmInput = [0, 0.25, 0.5, 0.75, 1, 0.125];
/** An input whose copies change much: the detector blocks it. */
export const restlessInput = [0.9, 0.25, 0.5, 0.75, 1, 0.125];

/** A JSON body of one or several rows; `tensor` replaces members of its only input. */
export function jsonBody(rows: readonly (readonly number[])[] = [calmInput], tensor: object = {}): string {
  const data = rows.flat();
  const input = { name: 'input', shape: [rows.length, ...inputShape], datatype: 'FP32', data, ...tensor };
  return JSON.stringify({ id: 'req-1', inputs: [input] });
}

/** The same in the binary extension. */
export function binaryBody(rows: readonly (readonly number[])[] = [calmInput]) {
  const data = Float32Array.from(rows.flat());
  return writeBinaryRequest([{ name: 'input', datatype: 'FP32', shape: [rows.length, ...inputShape], data }]);
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

// The conformance suite against a bare server and through the guard in each mode: no difference on what is allowed.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type ConformanceReport,
  conformanceChecks,
  reportDifferences,
  runConformance,
} from '../../gpu-worker/conformance/run-conformance.ts';
import { startEdge } from '../../gpu-worker/demo/edge-runtime.ts';
import type { Engine } from '../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../gpu-worker/engine/ort-engine.ts';
import { loadCompiledModel, loadPlainModel, type ServedModel } from '../../gpu-worker/served-model.ts';
import { guardModes } from '../../shared/contracts/verdict.ts';
import { apiToken, gpuWorkerToken, noiseKeyHex } from '../helpers/guarded-edge.ts';
import { type LenetGuard, lenetGuard } from '../helpers/lenet-guard.ts';
import { type OipServer, startOipServer } from '../helpers/oip-server.ts';
import { testSigner } from '../helpers/test-signer.ts';

const model = 'mnist-lenet5';
const modelFile = new URL('../../gpu-worker/demo/assets/mnist-lenet5.onnx', import.meta.url);

let engine: Engine;
let guard: LenetGuard;
let bare: string;
let gpuWorker: string;
let bareReport: ConformanceReport;
const servers: OipServer[] = [];

beforeAll(async () => {
  engine = await createOrtEngine({ workers: 1 });
  // No score exceeds this threshold: all that is refused is refused for its form.
  guard = await lenetGuard(engine, { noiseKeyHex, threshold: 1e6 });
  bare = await serve([await loadPlainModel(engine, model, await readFile(modelFile))]);
  gpuWorker = await serve([await loadCompiledModel(engine, guard.compiled)], gpuWorkerToken);
  bareReport = await conformanceOf(bare);
}, 120_000);

afterAll(async () => {
  for (const server of servers) server.stop();
  await engine?.close();
});

async function serve(models: readonly ServedModel[], token?: string): Promise<string> {
  const server = await startOipServer({ engine, models, token, deadlineMs: 5_000 });
  servers.push(server);
  return server.url;
}

function conformanceOf(url: string, token?: string): Promise<ConformanceReport> {
  return runConformance({ url: new URL(url), model, version: '1', token, timeoutMs: 20_000 });
}

const complaints = ({ checks }: ConformanceReport) =>
  checks.filter(({ outcome }) => outcome !== 'pass').map(({ name, reason }) => `${name}: ${reason}`);

describe('the conformance suite', () => {
  it('finds no fault with our own server, and leaves nothing out', () => {
    expect(complaints(bareReport)).toEqual([]);
    expect(bareReport.passed).toBe(conformanceChecks.length);
    const answered = bareReport.checks.flatMap(({ answers }) => answers);
    expect(answered.length).toBeGreaterThan(20);
  });

  it.each(guardModes)(
    'finds no difference through the guard in mode %s',
    async (mode) => {
      const key = 'detectors/lenet.json';
      const edge = await startEdge({
        host: '127.0.0.1',
        port: 0,
        bindings: {
          GPU_WORKER_URL: gpuWorker,
          UPSTREAM_URL: bare,
          GUARD_MODELS: JSON.stringify([{ name: model, mode, version: '1', artefact: key }]),
          GPU_WORKER_TOKEN: gpuWorkerToken,
          NOISE_KEY: noiseKeyHex,
          ARTEFACT_PUBLIC_KEY: testSigner.publicKeyBase64,
          API_TOKEN: apiToken,
          GUARD_TIMEOUT_MS: '10000',
        },
        artefacts: [{ key, bytes: guard.artefact }],
        onLog: () => undefined,
      });
      try {
        const report = await conformanceOf(edge.url.href, apiToken);
        expect(complaints(report)).toEqual([]);
        expect(reportDifferences(bareReport, report)).toEqual([]);
      } finally {
        await edge.stop();
      }
    },
    120_000,
  );

  it('finds fault with a server that is none', async () => {
    const report = await runConformance({
      url: new URL('http://127.0.0.1:9'),
      model,
      version: undefined,
      token: undefined,
      timeoutMs: 500,
    });
    expect(report.passed).toBe(0);
    expect(report.checks.find(({ name }) => name === 'server-live')).toMatchObject({ outcome: 'fail' });
    expect(reportDifferences(bareReport, report)).toContain('infer');
  });
});

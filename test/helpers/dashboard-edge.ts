// Everything that the dashboard shows, with nothing canned: the demo's model and detector, a copy without a guard, and screening.
import { readFile } from 'node:fs/promises';
import { type RunningEdge, startEdge } from '../../gpu-worker/demo/edge-runtime.ts';
import type { Engine } from '../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../gpu-worker/engine/ort-engine.ts';
import { compileModel } from '../../gpu-worker/extraction/compile-model.ts';
import { planScreening } from '../../gpu-worker/extraction/plan-screening.ts';
import { loadCompiledModel, loadPlainModel, type ServedModel } from '../../gpu-worker/served-model.ts';
import { type DetectorArtefact, detectorArtefactSchema } from '../../shared/contracts/detector-artefact.ts';
import { signArtefact } from '../../shared/detector/artefact-signature.ts';
import { importNoiseKeyHex } from '../../shared/noise/noise-key.ts';
import { lenetFile } from './command-line.ts';
import { startOipServer } from './oip-server.ts';
import { testSigner } from './test-signer.ts';

export const callerToken = 'a-token-of-the-callers-0123456789';
export const operatorToken = 'a-token-of-the-operators-0123456789';
const gpuWorkerToken = 'a-token-of-the-gpu-worker-0123456789';
const noiseKeyHex = '5a'.repeat(32);
const artefactFile = new URL('../../gpu-worker/demo/assets/mnist-lenet5.detector.json', import.meta.url);

/** A running edge and what stands around it. */
export interface DashboardEdge {
  readonly edge: RunningEdge;
  /** Calls it as an operator. */
  call(path: string, init?: RequestInit): Promise<Response>;
  stop(): Promise<void>;
}

/** Models `mnist-lenet5` (enforce), `mnist-lenet5-unguarded` (off) and `never-attacked` (off, with a detector that has no card and no clean scores). */
export async function startDashboardEdge(): Promise<DashboardEdge> {
  const engine = await createOrtEngine({ workers: 1 });
  const model = await readFile(lenetFile);
  const artefact = detectorArtefactSchema.parse(JSON.parse(await readFile(artefactFile, 'utf8')));
  const names = ['mnist-lenet5', 'mnist-lenet5-unguarded'];
  const compiled = await compiledModels(engine, { model, artefact });
  const plainModels = await Promise.all(names.map((name) => loadPlainModel(engine, name, model)));
  const [gpuWorker, upstream] = await Promise.all([
    startOipServer({ engine, models: compiled, token: gpuWorkerToken, deadlineMs: 20_000 }),
    startOipServer({ engine, models: plainModels, deadlineMs: 20_000 }),
  ]);
  const { card: _card, signature: _signature, ...plain } = artefact;
  const { clean_quantiles: _quantiles, ...threshold } = artefact.threshold;
  const unattacked = { ...plain, threshold };
  const edge = await startEdge({
    host: '127.0.0.1',
    port: 0,
    bindings: {
      GPU_WORKER_URL: gpuWorker.url,
      UPSTREAM_URL: upstream.url,
      GUARD_MODELS: JSON.stringify([
        { name: 'mnist-lenet5', mode: 'enforce', artefact: 'detectors/attacked.json' },
        { name: 'mnist-lenet5-unguarded', mode: 'off' },
        { name: 'never-attacked', mode: 'off', artefact: 'detectors/unattacked.json' },
      ]),
      GPU_WORKER_TOKEN: gpuWorkerToken,
      NOISE_KEY: noiseKeyHex,
      ARTEFACT_PUBLIC_KEY: testSigner.publicKeyBase64,
      API_TOKEN: callerToken,
      OPERATOR_TOKEN: operatorToken,
      // The machine that runs tests may be busy.
      GUARD_TIMEOUT_MS: '10000',
    },
    artefacts: [
      { key: 'detectors/attacked.json', bytes: await signed(artefact) },
      { key: 'detectors/unattacked.json', bytes: await signed(unattacked) },
    ],
    onLog: () => undefined,
  });
  return {
    edge,
    call(path, init) {
      const headers = new Headers(init?.headers);
      headers.set('authorization', `Bearer ${operatorToken}`);
      return fetch(new URL(path, edge.url), { ...init, headers });
    },
    async stop() {
      await edge.stop();
      gpuWorker.stop();
      upstream.stop();
      await engine.close();
    },
  };
}

/** The graph of the detector's plan, and the one for screening. */
async function compiledModels(
  engine: Engine,
  { model, artefact }: { model: Uint8Array; artefact: DetectorArtefact },
): Promise<ServedModel[]> {
  const noiseKey = await importNoiseKeyHex(noiseKeyHex);
  const made = { name: 'mnist-lenet5', noiseKey, engine };
  const screening = 'nccr' as const;
  const screeningPlan = await planScreening(model, { engine, mode: screening, range: [0, 1] });
  const files = await Promise.all([
    compileModel(model, { ...made, plan: artefact.plan }),
    compileModel(model, { ...made, plan: screeningPlan, screening }),
  ]);
  return Promise.all(files.map(({ bytes }) => loadCompiledModel(engine, bytes)));
}

async function signed(artefact: DetectorArtefact): Promise<Uint8Array> {
  return new TextEncoder().encode(JSON.stringify(await signArtefact(artefact, testSigner)));
}

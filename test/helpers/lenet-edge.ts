// The whole guard with nothing canned: the gpu-worker's own app over compiled LeNet-5, the edge in workerd, an upstream that counts.
import { type RunningEdge, startEdge } from '../../gpu-worker/demo/edge-runtime.ts';
import { createOrtEngine } from '../../gpu-worker/engine/ort-engine.ts';
import { loadCompiledModel, loadPlainModel, type ServedModel } from '../../gpu-worker/served-model.ts';
import { withIdentityOutput } from '../../gpu-worker/triton/identity-output.ts';
import type { GuardMode } from '../../shared/contracts/verdict.ts';
import { sha256Digest } from '../../shared/noise/noise-key.ts';
import { type FixtureServer, startFixtureServer } from './fixture-server.ts';
import { apiToken, gpuWorkerToken, noiseKeyHex, upstreamAnswers } from './guarded-edge.ts';
import { type LenetGuard, type LenetGuardOptions, lenetGuard } from './lenet-guard.ts';
import { startOipServer } from './oip-server.ts';
import { testSigner } from './test-signer.ts';

/** A running guard of LeNet-5. */
export interface LenetEdge extends LenetGuard {
  readonly edge: RunningEdge;
  readonly upstream: FixtureServer;
  readonly served: ServedModel;
  /** Graphs of the parts of the plan, in their order. */
  readonly servedParts: readonly ServedModel[];
  /** Value of the header that callers are known by. */
  readonly authorization: string;
  /** Calls the edge with its token and a JSON content type. */
  call(path: string, init?: { readonly method: string; readonly body: string }): Promise<Response>;
  stop(): Promise<void>;
}

/** Starts it. */
export async function startLenetEdge({
  mode,
  server = 'gpu-worker',
  audio,
  ...options
}: Omit<LenetGuardOptions, 'noiseKeyHex'> & {
  readonly mode: GuardMode;
  /**
   * `triton`: one that echoes no parameters serves the exported graph, behind the binding of the containers. `none`: the detector
   * Worker runs the graphs, and the edge is told of no gpu-worker.
   */
  readonly server?: 'gpu-worker' | 'triton' | 'none';
  /** How recordings are read, where the network reads any. */
  readonly audio?: { readonly sample_rate: number };
}): Promise<LenetEdge> {
  const engine = await createOrtEngine({ workers: 1 });
  const guard = await lenetGuard(engine, { noiseKeyHex, ...options });
  const isTriton = server === 'triton';
  const served = isTriton
    ? await loadPlainModel(engine, guard.name, (await withIdentityOutput(guard.compiled)).bytes)
    : await loadCompiledModel(engine, guard.compiled);
  const servedParts = await Promise.all(guard.compiledParts.map((bytes) => loadCompiledModel(engine, bytes)));
  const gpuWorker = await startOipServer({
    engine,
    models: [served, ...servedParts],
    token: gpuWorkerToken,
    deadlineMs: 5_000,
  });
  const upstream = await startFixtureServer(upstreamAnswers);
  const authorization = `Bearer ${apiToken}`;
  const key = 'detectors/lenet.json';
  const graphs = await graphsOf(guard);
  const graph = graphs.map(({ reference }) => reference);
  const own = server === 'none' ? { graph } : {};
  const edge = await startEdge({
    host: '127.0.0.1',
    port: 0,
    bindings: {
      ...(server === 'gpu-worker' ? { GPU_WORKER_URL: gpuWorker.url } : {}),
      ...(server === 'none' ? {} : { GPU_WORKER_TOKEN: gpuWorkerToken }),
      UPSTREAM_URL: upstream.url,
      GUARD_MODELS: JSON.stringify([
        { name: guard.name, mode, artefact: key, ...own, ...(audio && { audio }) },
      ]),
      NOISE_KEY: noiseKeyHex,
      ARTEFACT_PUBLIC_KEY: testSigner.publicKeyBase64,
      API_TOKEN: apiToken,
      // A detector Worker that starts with a graph to open has taken seven seconds on a machine with much else to do.
      GUARD_TIMEOUT_MS: server === 'none' ? '60000' : '5000',
      DETECTOR_CHECK_PERCENT: '100',
    },
    ...(isTriton ? { services: { GPU_CONTAINER: new URL(gpuWorker.url).host } } : {}),
    artefacts: [{ key, bytes: guard.artefact }, ...(server === 'none' ? graphs : [])],
    onLog: () => undefined,
  });
  return {
    ...guard,
    edge,
    upstream,
    served,
    servedParts,
    authorization,
    call: (path, init) => {
      const headers = { authorization, 'content-type': 'application/json' };
      return fetch(new URL(path, edge.url), { ...init, headers });
    },
    async stop() {
      await edge.stop();
      await upstream.die();
      gpuWorker.stop();
      await engine.close();
    },
  };
}

/** The graphs as R2 holds them: of the stages where there are parts, else of the whole plan. */
async function graphsOf({ compiled, compiledParts }: LenetGuard) {
  const all = compiledParts.length > 0 ? compiledParts : [compiled];
  return Promise.all(
    all.map(async (bytes, index) => {
      const key = `graphs/lenet-${index}.onnx`;
      return { key, bytes, reference: { key, digest: await sha256Digest(bytes) } };
    }),
  );
}

// What the edge's benches send requests to: a free upstream, the gpu-worker, and an edge for each mode before both.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { readArtefact } from '../../gpu-worker/cli/options.ts';
import { drawDigit } from '../../gpu-worker/datasets/synthetic-digits.ts';
import { type DemoFolder, ensureCompiled, openDemoFolder } from '../../gpu-worker/demo/demo-folder.ts';
import { untilReady } from '../../gpu-worker/demo/demo-requests.ts';
import type { EdgeOptions } from '../../gpu-worker/demo/edge-runtime.ts';
import {
  type ServerChild,
  type ServerChildOptions,
  startServerChild,
} from '../../gpu-worker/demo/server-child.ts';
import { createOrtEngine } from '../../gpu-worker/engine/ort-engine.ts';
import type { DetectorArtefact } from '../../shared/contracts/detector-artefact.ts';
import { type GuardMode, guardModes } from '../../shared/contracts/verdict.ts';
import type { Contender } from './http-load.ts';

const demo = new URL('../../gpu-worker/demo/', import.meta.url);
const host = '127.0.0.1';
const artefactKey = 'detectors/bench.json';

/** Everything that is running, each in a process of its own. */
export interface RunningEdges {
  readonly upstream: Contender;
  /** The request that the edge itself makes of the gpu-worker for the payload, sent straight to it. */
  readonly extraction: Contender;
  /** By the name of the mode. */
  readonly modes: readonly Contender[];
  /** A request that the guard lets pass: a refused one would never reach the upstream and cost less. */
  readonly payload: string;
  /** Process ids by name, for who watches their memory; of an edge that of the process that keeps its workerd. */
  readonly pids: ReadonlyMap<string, number>;
  stop(): Promise<void>;
}

/** Starts all of it; what was started is stopped again where a part of it fails. */
export async function startEdges(): Promise<RunningEdges> {
  const folder = await mkdtemp(path.join(tmpdir(), 'nccr-guard-bench-'));
  const children = new Map<string, ServerChild>();
  const start = (options: ServerChildOptions) => {
    const child = startServerChild(options);
    children.set(options.name, child);
    return child.ready;
  };
  const stop = async () => {
    for (const child of [...children.values()].reverse()) await child.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const artefactFile = fileURLToPath(new URL('assets/mnist-lenet5.detector.json', demo));
    const artefact = await readArtefact(artefactFile);
    const secrets = await compiledFolder(folder, artefact);
    const [upstreamUrl, gpuWorkerUrl] = await Promise.all([
      start({ name: 'upstream', url: new URL('edge-upstream.ts', import.meta.url) }),
      start({
        name: 'gpu-worker',
        url: new URL('../server.ts', demo),
        env: {
          GPU_WORKER_HOST: host,
          GPU_WORKER_PORT: '0',
          GPU_WORKER_TOKEN: secrets.token,
          GPU_WORKER_MODELS: secrets.models,
        },
      }),
    ]);
    const options = await edgeOptions({ secrets, artefact, artefactFile, upstreamUrl });
    const infer = (url: URL) => new URL(`/v2/models/${artefact.model.name}/infer`, url).href;
    const startEdge = async (name: string, mode: GuardMode, worker: URL) => {
      const url = await start({
        name,
        url: new URL('edge-process.ts', demo),
        message: options(mode, worker),
      });
      await untilReady(url, 60_000);
      return infer(url);
    };
    const { payload, extraction } = await recordExtraction(artefact, gpuWorkerUrl, async (recorder) => {
      return startEdge('recorded', 'enforce', recorder);
    });
    await children.get('recorded')!.stop();
    children.delete('recorded');
    const headers = { 'content-type': 'application/json' };
    const modes: Contender[] = [];
    for (const mode of guardModes) {
      modes.push({ name: mode, url: await startEdge(mode, mode, gpuWorkerUrl), headers, body: payload });
    }
    const upstream = { name: 'upstream alone', url: infer(upstreamUrl), headers, body: payload };
    const pids = new Map([...children].map(([name, { pid }]) => [name, pid]));
    return { upstream, extraction, modes, payload, pids, stop };
  } catch (thrown) {
    await stop();
    throw thrown;
  }
}

async function compiledFolder(folder: string, artefact: DetectorArtefact): Promise<DemoFolder> {
  const secrets = await openDemoFolder(folder);
  const engine = await createOrtEngine({ workers: 1 });
  const model = await readFile(new URL('assets/mnist-lenet5.onnx', demo));
  await ensureCompiled(secrets, { model, artefact, engine });
  await engine.close();
  return secrets;
}

async function edgeOptions({
  secrets,
  artefact,
  artefactFile,
  upstreamUrl,
}: {
  secrets: DemoFolder;
  artefact: DetectorArtefact;
  artefactFile: string;
  upstreamUrl: URL;
}): Promise<(mode: GuardMode, gpuWorkerUrl: URL) => EdgeOptions> {
  const publicKey = await readFile(new URL('assets/artefact-public-key.txt', demo), 'utf8');
  const bytes = await readFile(artefactFile);
  return (mode, gpuWorkerUrl) => ({
    host,
    port: 0,
    bindings: {
      GPU_WORKER_URL: gpuWorkerUrl.origin,
      UPSTREAM_URL: upstreamUrl.origin,
      GUARD_MODELS: JSON.stringify([{ name: artefact.model.name, mode, artefact: artefactKey }]),
      AUTH: 'none',
      GPU_WORKER_TOKEN: secrets.token,
      NOISE_KEY: secrets.noiseKeyHex,
      ARTEFACT_PUBLIC_KEY: publicKey.trim(),
      // Queues are measured, not cut off.
      GUARD_TIMEOUT_MS: '20000',
    },
    artefacts: [{ key: artefactKey, bytes }],
  });
}

/** Finds a digit that the guard lets pass, and what an edge that reaches the gpu-worker through a recorder asks for it. */
async function recordExtraction(
  artefact: DetectorArtefact,
  gpuWorkerUrl: URL,
  startEdge: (recorder: URL) => Promise<string>,
): Promise<{ payload: string; extraction: Contender }> {
  let last: Omit<Contender, 'name'> | undefined;
  const recorder = createServer((request, response) => {
    void relay(request, response, gpuWorkerUrl).then((relayed) => {
      if (request.method === 'POST') last = relayed;
    });
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  recorder.listen(0, host, resolve);
  await promise;
  try {
    const address = recorder.address() as AddressInfo;
    const url = await startEdge(new URL(`http://${host}:${address.port}`));
    const payload = await allowedPayload(artefact, url);
    return { payload, extraction: { name: 'extraction alone', ...last! } };
  } finally {
    recorder.closeAllConnections();
    recorder.close();
  }
}

/** Headers of one connection. */
const connectionHeaders = new Set(['host', 'connection', 'transfer-encoding', 'content-length']);

async function relay(
  request: IncomingMessage,
  response: ServerResponse,
  target: URL,
): Promise<Omit<Contender, 'name'>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    if (!connectionHeaders.has(name)) headers[name] = String(value);
  }
  const url = new URL(request.url!, target).href;
  const method = request.method!;
  const answer = await fetch(url, { method, headers, ...(method === 'POST' && { body }) });
  response.writeHead(answer.status, Object.fromEntries(answer.headers));
  response.end(await answer.bytes());
  return { url, headers, body };
}

async function allowedPayload(artefact: DetectorArtefact, url: string): Promise<string> {
  const { input_name: name, input_shape: shape } = artefact.model;
  const headers = { 'content-type': 'application/json' };
  for (let seed = 0; seed < 50; seed++) {
    const data = Array.from(drawDigit(seed % 10, seed));
    const body = JSON.stringify({ inputs: [{ name, shape: [1, ...shape], datatype: 'FP32', data }] });
    const answer = await fetch(url, { method: 'POST', body, headers });
    await answer.body?.cancel();
    if (answer.status === 200) return body;
  }
  throw new Error('the guard refuses every digit');
}

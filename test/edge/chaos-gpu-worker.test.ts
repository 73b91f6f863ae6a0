// A gpu-worker as a real process that is killed and stopped under load: no pass without a score, every answer in time, none lost.
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startEdge } from '../../gpu-worker/demo/edge-runtime.ts';
import { createOrtEngine } from '../../gpu-worker/engine/ort-engine.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import { type FixtureServer, startFixtureServer } from '../helpers/fixture-server.ts';
import {
  apiToken,
  type GuardedEdge,
  gpuWorkerToken,
  noiseKeyHex,
  upstreamAnswers,
} from '../helpers/guarded-edge.ts';
import { type LenetGuard, lenetGuard } from '../helpers/lenet-guard.ts';
import { auditRows, type Sent, sendLoad } from '../helpers/send-load.ts';
import { type ServerProcess, startProcess } from '../helpers/server-process.ts';
import { testSigner } from '../helpers/test-signer.ts';

const guardTimeoutMs = 1_500;
/** Beside the deadline itself: two busy cores. */
const slackMs = 2_500;

type Guarded = Pick<GuardedEdge, 'edge' | 'infer'>;

let folder: string;
let port: number;
let worker: ServerProcess;
let upstream: FixtureServer;
let guarded: Guarded;
let body: string;

const startWorker = async () => {
  const env = {
    GPU_WORKER_MODELS: folder,
    GPU_WORKER_TOKEN: gpuWorkerToken,
    GPU_WORKER_PORT: String(port),
    GPU_WORKER_WORKERS: '1',
  };
  worker = startProcess('gpu-worker/server.ts', { env });
  await worker.event('server.ready');
};

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'nccr-guard-chaos-'));
  const engine = await createOrtEngine({ workers: 1 });
  // No score exceeds this: what is refused is refused for a failure.
  const lenet = await lenetGuard(engine, { noiseKeyHex, threshold: 1e9 });
  await engine.close();
  await writeFile(path.join(folder, 'lenet.onnx'), lenet.compiled);
  port = await freePort();
  await startWorker();
  upstream = await startFixtureServer(upstreamAnswers);
  guarded = await startGuarded(lenet);
  const shape = [1, ...lenet.inputShape];
  const data = Array.from({ length: elementCount(shape) }, (_, index) => (index % 7) / 7);
  body = JSON.stringify({ inputs: [{ name: lenet.inputName, shape, datatype: 'FP32', data }] });
}, 90_000);
afterAll(async () => {
  await guarded?.edge.stop();
  await upstream?.die();
  worker?.child.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

async function startGuarded({ name, artefact }: LenetGuard): Promise<Guarded> {
  const key = 'detectors/lenet.json';
  const edge = await startEdge({
    host: '127.0.0.1',
    port: 0,
    bindings: {
      GPU_WORKER_URL: `http://127.0.0.1:${port}`,
      UPSTREAM_URL: upstream.url,
      GUARD_MODELS: JSON.stringify([{ name, mode: 'enforce', artefact: key }]),
      GPU_WORKER_TOKEN: gpuWorkerToken,
      NOISE_KEY: noiseKeyHex,
      ARTEFACT_PUBLIC_KEY: testSigner.publicKeyBase64,
      API_TOKEN: apiToken,
      GUARD_TIMEOUT_MS: String(guardTimeoutMs),
    },
    artefacts: [{ key, bytes: artefact }],
    onLog: () => undefined,
  });
  const headers = { authorization: `Bearer ${apiToken}`, 'content-type': 'application/json' };
  const infer: Guarded['infer'] = (_mode, sent = body) =>
    fetch(new URL(`/v2/models/${name}/infer`, edge.url), { method: 'POST', body: sent, headers });
  return { edge, infer };
}

/** A port that nothing listens on now. */
async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port: free } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return free;
}

const send = (count: number, connections = 4) => sendLoad(guarded, { mode: 'enforce', count, connections });
const breakerState = async () => {
  const headers = { authorization: `Bearer ${apiToken}` };
  const text = await (await fetch(new URL('/metrics', guarded.edge.url), { headers })).text();
  return Number(/guard_breaker_state\{neighbour="gpu-worker"\} (\d)/.exec(text)?.[1]);
};

/** What holds of every request, whatever broke meanwhile. */
async function checkAll(sent: readonly Sent[]): Promise<void> {
  expect(Math.max(...sent.map(({ took }) => took))).toBeLessThan(guardTimeoutMs + slackMs);
  const rows = await auditRows(
    guarded,
    sent.map(({ verdictId }) => verdictId),
  );
  for (const { verdict, score } of rows) expect(verdict === 'allow').toBe(score !== null);
  const passed = sent.filter(({ status }) => status === 200);
  for (const { verdict } of passed) expect(verdict).toBe('allow');
  expect(upstream.received.length).toBe(passed.length);
  upstream.received.length = 0;
}

/** Waits until requests pass again. */
async function recovers(): Promise<void> {
  await expect
    .poll(async () => (await guarded.infer('enforce')).status, { timeout: 25_000, interval: 200 })
    .toBe(200);
  expect(await breakerState()).toBe(0);
  upstream.received.length = 0;
}

it('that is killed: requests are refused until it is back, by an open breaker before long', async () => {
  await recovers();
  const sending = send(60);
  await setTimeout(150);
  worker.child.kill('SIGKILL');
  const sent = await sending;
  await checkAll(sent);
  const dead = await send(40);
  await checkAll(dead);
  expect(new Set(dead.map(({ status, code }) => `${status} ${code}`))).toEqual(
    new Set(['503 extractor_unreachable']),
  );
  expect(await breakerState()).toBe(2);
  // Where the breaker is open the refusal says when to try again.
  expect(dead.some(({ retryAfter }) => Number(retryAfter) >= 1)).toBe(true);
  await startWorker();
  await recovers();
  await checkAll(await send(10));
}, 90_000);

it('that is stopped: requests end with their deadline, then at once, and pass again once it goes on', async () => {
  await recovers();
  const sending = send(80, 8);
  await setTimeout(150);
  worker.child.kill('SIGSTOP');
  const sent = await sending;
  await checkAll(sent);
  const refused = sent.filter(({ status }) => status !== 200);
  expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(['deadline_exceeded']));
  expect(await breakerState()).toBeGreaterThan(0);
  worker.child.kill('SIGCONT');
  await recovers();
  await checkAll(await send(10));
}, 90_000);

// Two gpu-workers behind a balancer, one of them killed under load: no verdict fails, none is another than before.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type RunningEdge, startEdge } from '../../gpu-worker/demo/edge-runtime.ts';
import { createOrtEngine } from '../../gpu-worker/engine/ort-engine.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import { type FixtureServer, startFixtureServer } from '../helpers/fixture-server.ts';
import { apiToken, gpuWorkerToken, noiseKeyHex, upstreamAnswers } from '../helpers/guarded-edge.ts';
import { type HttpBalancer, startHttpBalancer } from '../helpers/http-balancer.ts';
import { type LenetGuard, lenetGuard } from '../helpers/lenet-guard.ts';
import { auditRows } from '../helpers/send-load.ts';
import { type ServerProcess, startProcess } from '../helpers/server-process.ts';
import { testSigner } from '../helpers/test-signer.ts';

const inputs = 6;

let folder: string;
let workers: ServerProcess[];
let urls: string[];
let balancer: HttpBalancer;
let upstream: FixtureServer;
let lenet: LenetGuard;
let edge: RunningEdge;

async function startWorker(port: string): Promise<{ process: ServerProcess; url: string }> {
  const env = {
    GPU_WORKER_MODELS: folder,
    GPU_WORKER_TOKEN: gpuWorkerToken,
    GPU_WORKER_PORT: port,
    GPU_WORKER_WORKERS: '1',
    ENGINE: 'cpu',
  };
  const process = startProcess('gpu-worker/server.ts', { env });
  const { url } = await process.event('server.ready');
  return { process, url: String(url) };
}

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'nccr-guard-two-'));
  const engine = await createOrtEngine({ workers: 1 });
  // No score exceeds this: what is refused is refused for a failure.
  lenet = await lenetGuard(engine, { noiseKeyHex, threshold: 1e9 });
  await engine.close();
  await writeFile(path.join(folder, 'lenet.onnx'), lenet.compiled);
  const started = await Promise.all(['0', '0'].map(startWorker));
  workers = started.map(({ process }) => process);
  urls = started.map(({ url }) => url);
  balancer = await startHttpBalancer(urls);
  upstream = await startFixtureServer(upstreamAnswers);
  const key = 'detectors/lenet.json';
  edge = await startEdge({
    host: '127.0.0.1',
    port: 0,
    bindings: {
      GPU_WORKER_URL: balancer.url,
      UPSTREAM_URL: upstream.url,
      GUARD_MODELS: JSON.stringify([{ name: lenet.name, mode: 'enforce', artefact: key }]),
      GPU_WORKER_TOKEN: gpuWorkerToken,
      NOISE_KEY: noiseKeyHex,
      ARTEFACT_PUBLIC_KEY: testSigner.publicKeyBase64,
      API_TOKEN: apiToken,
      GUARD_TIMEOUT_MS: '10000',
    },
    artefacts: [{ key, bytes: lenet.artefact }],
    onLog: () => undefined,
  });
}, 120_000);
afterAll(async () => {
  await edge?.stop();
  await upstream?.die();
  await balancer?.stop();
  for (const worker of workers ?? []) worker.child.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

interface Judged {
  readonly input: number;
  readonly status: number;
  readonly verdict: string | null;
  readonly verdictId: string | null;
}

/** Sends the inputs in turn. */
async function send(count: number, connections = 4): Promise<Judged[]> {
  const headers = { authorization: `Bearer ${apiToken}`, 'content-type': 'application/json' };
  const shape = [1, ...lenet.inputShape];
  const judged: Judged[] = [];
  let next = 0;
  const connection = async () => {
    while (next < count) {
      const input = next++ % inputs;
      const data = Array.from(
        { length: elementCount(shape) },
        (_, index) => ((index * (input + 1)) % 11) / 11,
      );
      const body = JSON.stringify({ inputs: [{ name: lenet.inputName, shape, datatype: 'FP32', data }] });
      const answer = await fetch(new URL(`/v2/models/${lenet.name}/infer`, edge.url), {
        method: 'POST',
        headers,
        body,
      });
      await answer.arrayBuffer();
      const { status, headers: told } = answer;
      judged.push({
        input,
        status,
        verdict: told.get('x-guard-verdict'),
        verdictId: told.get('x-guard-verdict-id'),
      });
    }
  };
  await Promise.all(Array.from({ length: connections }, connection));
  return judged;
}

/** The score of each input; fails where two requests with one input were scored differently. */
async function scores(
  judged: readonly Judged[],
  known = new Map<number, number>(),
): Promise<Map<number, number>> {
  const rows = await auditRows(
    { edge },
    judged.map(({ verdictId }) => verdictId),
  );
  const byId = new Map(rows.map(({ id, score }) => [id, score]));
  const found = new Map(known);
  for (const { input, verdictId } of judged) {
    const score = byId.get(verdictId ?? '') ?? Number.NaN;
    // Two implementations of the detector, one of float32, may stand in for each other.
    expect(score).toBeCloseTo(found.get(input) ?? score, 5);
    found.set(input, score);
  }
  return found;
}

it('share the load, and one that is killed costs no verdict and changes none', async () => {
  const before = await send(4 * inputs);
  expect(new Set(before.map(({ status, verdict }) => `${status} ${verdict}`))).toEqual(
    new Set(['200 allow']),
  );
  expect(Math.min(...balancer.answered)).toBeGreaterThan(inputs);
  const known = await scores(before);
  expect(new Set(known.values()).size).toBeGreaterThan(1);

  const sending = send(20 * inputs);
  await setTimeout(300);
  workers[0].child.kill('SIGKILL');
  const during = await sending;
  expect(new Set(during.map(({ status, verdict }) => `${status} ${verdict}`))).toEqual(
    new Set(['200 allow']),
  );
  await scores(during, known);
  expect(balancer.well()).toEqual([false, true]);
}, 90_000);

it('take the one that is back among them again', async () => {
  const [first] = balancer.answered;
  workers[0] = (await startWorker(new URL(urls[0]).port)).process;
  await expect.poll(() => balancer.well(), { timeout: 10_000 }).toEqual([true, true]);
  const after = await send(4 * inputs);
  expect(new Set(after.map(({ status }) => status))).toEqual(new Set([200]));
  expect(balancer.answered[0]).toBeGreaterThan(first);
}, 60_000);

it('are refused, by the policy, where none of them is left', async () => {
  upstream.received.length = 0;
  for (const worker of workers) worker.child.kill('SIGKILL');
  await expect.poll(() => balancer.well(), { timeout: 10_000 }).toEqual([false, false]);
  const refused = await send(inputs);
  expect(new Set(refused.map(({ status }) => status))).toEqual(new Set([503]));
  expect(upstream.received).toEqual([]);
}, 60_000);

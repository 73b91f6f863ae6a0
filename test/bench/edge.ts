// Time that the edge adds to a request: the upstream alone against through the edge in each mode, interleaved in one run.
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import autocannon from 'autocannon';
import { readArtefact } from '../../gpu-worker/cli/options.ts';
import { drawDigit } from '../../gpu-worker/datasets/synthetic-digits.ts';
import { ensureCompiled, openDemoFolder } from '../../gpu-worker/demo/demo-folder.ts';
import { untilReady } from '../../gpu-worker/demo/demo-requests.ts';
import type { EdgeOptions } from '../../gpu-worker/demo/edge-runtime.ts';
import {
  type ServerChild,
  type ServerChildOptions,
  startServerChild,
} from '../../gpu-worker/demo/server-child.ts';
import { createOrtEngine } from '../../gpu-worker/engine/ort-engine.ts';
import type { DetectorArtefact } from '../../shared/contracts/detector-artefact.ts';
import { guardModes } from '../../shared/contracts/verdict.ts';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, seconds: { type: 'string', default: '2' } },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const demo = new URL('../../gpu-worker/demo/', import.meta.url);
const host = '127.0.0.1';

/** Where one kind of request goes. */
interface Contender {
  readonly name: string;
  readonly url: string;
}

/** What one round of one contender gave. */
interface Measurement {
  readonly p50: number;
  readonly p99: number;
  readonly perSecond: number;
  /** Answers that were not 200. */
  readonly failed: number;
}

const children: ServerChild[] = [];
const folder = await mkdtemp(path.join(tmpdir(), 'nccr-guard-bench-'));
try {
  const artefactFile = fileURLToPath(new URL('assets/mnist-lenet5.detector.json', demo));
  const artefact = await readArtefact(artefactFile);
  const contenders = await startContenders(artefact, artefactFile);
  const body = await allowedBody(artefact, contenders.at(-1)!);
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  console.log(
    `${cpus()[0].model}, ${availableParallelism()} cores, Node ${process.version}, commit ${commit}`,
  );
  console.log(
    `one digit a request, ${body.length} bytes of JSON; ${rounds} rounds of ${seconds} s each, interleaved; median [lowest to highest] over the rounds`,
  );
  for (const connections of [1, 16])
    printTable(contenders, connections, await measure(contenders, body, connections));
} finally {
  for (const child of children.reverse()) await child.stop();
  await rm(folder, { recursive: true, force: true });
}

/** Starts upstream, gpu-worker and an edge a mode, each a process of its own; the upstream alone is the first contender. */
async function startContenders(artefact: DetectorArtefact, artefactFile: string): Promise<Contender[]> {
  const secrets = await openDemoFolder(folder);
  const engine = await createOrtEngine({ workers: 1 });
  const model = await readFile(new URL('assets/mnist-lenet5.onnx', demo));
  await ensureCompiled(secrets, { model, artefact, engine });
  await engine.close();
  const upstream = start({ name: 'upstream', url: new URL('upstream.ts', demo), args: ['--port', '0'] });
  const gpuWorker = start({
    name: 'gpu-worker',
    url: new URL('../server.ts', demo),
    env: {
      GPU_WORKER_HOST: host,
      GPU_WORKER_PORT: '0',
      GPU_WORKER_TOKEN: secrets.token,
      GPU_WORKER_MODELS: secrets.models,
    },
  });
  const [upstreamUrl, gpuWorkerUrl] = await Promise.all([upstream.ready, gpuWorker.ready]);
  const { name } = artefact.model;
  const infer = (url: URL) => new URL(`/v2/models/${name}/infer`, url).href;
  const key = 'detectors/bench.json';
  const publicKey = await readFile(new URL('assets/artefact-public-key.txt', demo), 'utf8');
  const contenders: Contender[] = [{ name: 'upstream alone', url: infer(upstreamUrl) }];
  for (const mode of guardModes) {
    const message: EdgeOptions = {
      host,
      port: 0,
      bindings: {
        GPU_WORKER_URL: gpuWorkerUrl.origin,
        UPSTREAM_URL: upstreamUrl.origin,
        GUARD_MODELS: JSON.stringify([{ name, mode, artefact: key }]),
        AUTH: 'none',
        GPU_WORKER_TOKEN: secrets.token,
        NOISE_KEY: secrets.noiseKeyHex,
        ARTEFACT_PUBLIC_KEY: publicKey.trim(),
        // Queues are measured, not cut off.
        GUARD_TIMEOUT_MS: '20000',
      },
      artefacts: [{ key, bytes: await readFile(artefactFile) }],
    };
    const edge = start({ name: `edge ${mode}`, url: new URL('edge-process.ts', demo), message });
    const url = await edge.ready;
    await untilReady(url, 60_000);
    contenders.push({ name: mode, url: infer(url) });
  }
  return contenders;
}

function start(options: ServerChildOptions): ServerChild {
  const child = startServerChild(options);
  children.push(child);
  return child;
}

/** A digit that the guard lets pass: a refused one would never reach the upstream and cost less. */
async function allowedBody(artefact: DetectorArtefact, { url }: Contender): Promise<string> {
  const { input_name: name, input_shape: shape } = artefact.model;
  for (let seed = 0; seed < 50; seed++) {
    const data = Array.from(drawDigit(seed % 10, seed));
    const body = JSON.stringify({ inputs: [{ name, shape: [1, ...shape], datatype: 'FP32', data }] });
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(url, { method: 'POST', body, headers });
    await answer.body?.cancel();
    if (answer.status === 200) return body;
  }
  throw new Error('the guard refuses every digit');
}

/** [contenders][rounds]; the first round warms up and is not kept, and the order turns with every round. */
async function measure(
  contenders: readonly Contender[],
  body: string,
  connections: number,
): Promise<Measurement[][]> {
  const measured = contenders.map((): Measurement[] => []);
  for (let round = 0; round <= rounds; round++) {
    for (let turn = 0; turn < contenders.length; turn++) {
      const index = (round + turn) % contenders.length;
      const measurement = await load(contenders[index].url, { body, connections });
      if (round > 0) measured[index].push(measurement);
      // In mode shadow the scoring goes on behind the answers: it must not fall into the next turn.
      await sleep(300);
    }
  }
  return measured;
}

async function load(
  url: string,
  { body, connections }: { body: string; connections: number },
): Promise<Measurement> {
  const times: number[] = [];
  let failed = 0;
  const headers = { 'content-type': 'application/json' };
  const options = { url, method: 'POST', headers, body, connections, duration: seconds } as const;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const instance = autocannon(options, (error) => (error === null ? resolve() : reject(error)));
  instance.on('response', (_client: unknown, status: number, _bytes: number, ms: number) => {
    times.push(ms);
    if (status !== 200) failed++;
  });
  await promise;
  return { p50: quantile(times, 0.5), p99: quantile(times, 0.99), perSecond: times.length / seconds, failed };
}

function printTable(
  contenders: readonly Contender[],
  connections: number,
  measured: readonly Measurement[][],
): void {
  console.log(`\n### ${connections} connection${connections === 1 ? '' : 's'}\n`);
  console.log('| | p50 ms | p99 ms | added p50 ms | added p99 ms | requests/s | not 200 |');
  console.log('| --- | --- | --- | --- | --- | --- | --- |');
  const [alone] = measured;
  for (const [index, { name }] of contenders.entries()) {
    const of = (read: (measurement: Measurement, round: number) => number) =>
      summary(measured[index].map(read));
    const added = (key: 'p50' | 'p99') =>
      index === 0 ? '' : of((measurement, round) => measurement[key] - alone[round][key]);
    const failed = measured[index].reduce((sum, measurement) => sum + measurement.failed, 0);
    const rate = of(({ perSecond }) => perSecond);
    console.log(
      `| ${name} | ${of(({ p50 }) => p50)} | ${of(({ p99 }) => p99)} | ${added('p50')} | ${added('p99')} | ${rate} | ${failed} |`,
    );
  }
}

function summary(numbers: readonly number[]): string {
  const [low, middle, high] = [0, 0.5, 1].map((share) => quantile(numbers, share));
  const digits = middle >= 100 ? 0 : 2;
  return `${middle.toFixed(digits)} [${low.toFixed(digits)} to ${high.toFixed(digits)}]`;
}

function quantile(numbers: readonly number[], share: number): number {
  const sorted = Float64Array.from(numbers).sort();
  return sorted[Math.round(share * (sorted.length - 1))] ?? Number.NaN;
}

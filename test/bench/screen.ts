// Screening end to end through the real Worker, Workflow, R2, D1 and gpu-worker, against the bare extraction of the same rows.
//
// Usage: npm run bench:screen -- [--set cifar10_badnets_t0_5] [--examples 10000] [--rounds 3] [--workers cores] [--peer python3]
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { type ServerChild, startServerChild } from '../../gpu-worker/demo/server-child.ts';
import { createOrtEngine } from '../../gpu-worker/engine/ort-engine.ts';
import { compileModel } from '../../gpu-worker/extraction/compile-model.ts';
import { planScreening } from '../../gpu-worker/extraction/plan-screening.ts';
import { type ExampleExtractor, exampleExtractor } from '../../gpu-worker/screening/example-extractor.ts';
import { shardExamplesMax, uploadPartBytesMin } from '../../shared/limits.ts';
import { importNoiseKeyHex } from '../../shared/noise/noise-key.ts';
import { type PoisonedSet, poisonedSet, poisonedSetNames } from '../helpers/poisoned-set.ts';
import { screenedModel, screeningClient, screeningEdgeOptions } from '../helpers/screening-edge.ts';
import { idxFile } from '../helpers/upload-fixture.ts';
import { peerScreening } from './screening-peer.ts';

const { values } = parseArgs({
  options: {
    set: { type: 'string', default: 'cifar10_badnets_t0_5' },
    examples: { type: 'string', default: '10000' },
    rounds: { type: 'string', default: '3' },
    workers: { type: 'string', default: String(availableParallelism()) },
    peer: { type: 'string' },
  },
});
const rounds = Number(values.rounds);
const workers = Number(values.workers);
const noiseKeyHex = '5a'.repeat(32);
const token = 'a-token-of-the-gpu-worker-0123456789';
const range = [0, 1] as const;
const partBytes = 2 * uploadPartBytesMin;

const name = poisonedSetNames.find((known) => known === values.set);
if (name === undefined) throw new Error(`--set is one of ${poisonedSetNames.join(', ')}`);
const whole = poisonedSet(name);
const examples = Math.min(Number(values.examples), whole.labels.length);
const set = {
  ...whole,
  pixels: whole.pixels.slice(0, examples * 3072),
  labels: whole.labels.slice(0, examples),
};

const children: ServerChild[] = [];
const folder = await mkdtemp(path.join(tmpdir(), 'nccr-guard-bench-'));
try {
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  const machine = `${cpus()[0].model}, ${availableParallelism()} cores, Node ${process.version}, commit ${commit}`;
  console.log(machine);
  console.log(
    `${name}, ${examples} examples, ${workers} threads of the model, ${rounds} rounds, interleaved`,
  );
  const extractor = await openExtractor(set);
  const edge = await startServers(set);
  await measure(extractor, edge);
} finally {
  for (const child of children.reverse()) await child.stop();
  await rm(folder, { recursive: true, force: true });
}
process.exit(0);

/** The engine alone, in this process. */
async function openExtractor({ model }: PoisonedSet): Promise<ExampleExtractor> {
  const engine = await createOrtEngine({ workers });
  const noiseKey = await importNoiseKeyHex(noiseKeyHex);
  return exampleExtractor(model, { engine, name: screenedModel, mode: 'nccr', range, seed: 1, noiseKey });
}

/** The gpu-worker and the edge, each a process of its own. */
async function startServers({ model }: PoisonedSet): Promise<URL> {
  const engine = await createOrtEngine({ workers: 1 });
  const plan = await planScreening(model, { engine, mode: 'nccr', range });
  const noiseKey = await importNoiseKeyHex(noiseKeyHex);
  const made = { name: screenedModel, plan, noiseKey, engine, screening: 'nccr' as const };
  const models = path.join(folder, 'models');
  await mkdir(models);
  await writeFile(path.join(models, 'screening.onnx'), (await compileModel(model, made)).bytes);
  await engine.close();
  const gpuWorker = startServerChild({
    name: 'gpu-worker',
    url: new URL('../../gpu-worker/server.ts', import.meta.url),
    env: {
      GPU_WORKER_PORT: '0',
      GPU_WORKER_TOKEN: token,
      GPU_WORKER_MODELS: models,
      GPU_WORKER_WORKERS: String(workers),
    },
  });
  children.push(gpuWorker);
  const persistDir = path.join(folder, 'edge');
  const edge = startServerChild({
    name: 'edge',
    url: new URL('../../gpu-worker/demo/edge-process.ts', import.meta.url),
    message: screeningEdgeOptions((await gpuWorker.ready).origin, { persistDir }),
  });
  children.push(edge);
  return edge.ready;
}

/** Each round once each, the order turning; a first round of a few rows warms both up and is not counted. */
async function measure(extractor: ExampleExtractor, edge: URL): Promise<void> {
  await bareSeconds(extractor, Math.min(examples, 2 * shardExamplesMax));
  await screenedSeconds(edge, Math.min(examples, 8 * shardExamplesMax));
  const [bare, screened, peer]: [Cost[], Cost[], Cost[]] = [[], [], []];
  for (let round = 0; round < rounds; round++) {
    const turns = [
      async () => void bare.push(await costOf(() => bareSeconds(extractor, examples))),
      async () => void screened.push(await costOf(() => screenedSeconds(edge, examples))),
      async () => {
        if (values.peer !== undefined) peer.push(await peerCost(values.peer));
      },
    ];
    for (let turn = 0; turn < turns.length; turn++) await turns[(round + turn) % turns.length]();
    const said = ({ seconds, cpu }: Cost) => `${seconds.toFixed(2)} s (CPU ${cpu.toFixed(2)} s)`;
    console.log(`round ${round + 1}: bare ${said(bare[round])}, screened ${said(screened[round])}`);
  }
  console.log('');
  console.log('| | seconds | examples a second | seconds of CPU |');
  console.log('| --- | --- | --- | --- |');
  printRow('bare extraction', bare);
  printRow('screening end to end', screened);
  if (peer.length > 0) printRow("a peer's Activation Clustering", peer);
  const ratios = (key: keyof Cost) => screened.map((cost, round) => cost[key] / bare[round][key]);
  console.log(`\nscreening / bare extraction: ${spread(ratios('seconds'), 3)}; target at most 1.3`);
  console.log(
    `the same of the CPU time, which others on the machine change less: ${spread(ratios('cpu'), 3)}`,
  );
  if (peer.length > 0) {
    const faster = peer.map(({ seconds }, round) => seconds / screened[round].seconds);
    console.log(`examples a second of screening / of the peer: ${spread(faster, 2)}; target at least 5`);
  }
}

/** Extraction of the rows in memory, a shard at a time as the gpu-worker is sent them. */
async function bareSeconds(extractor: ExampleExtractor, count: number): Promise<number> {
  const startedAt = performance.now();
  for (let first = 0; first < count; first += shardExamplesMax) {
    const end = Math.min(count, first + shardExamplesMax);
    const data = set.pixels.slice(first * 3072, end * 3072);
    const pixels = { shape: set.inputShape, datatype: 'UINT8' as const, data };
    await extractor.extract({ firstRow: first, labels: set.labels.slice(first, end), pixels });
  }
  return (performance.now() - startedAt) / 1_000;
}

/** From the first request to the report in hand, the upload included. */
async function screenedSeconds(edge: URL, count: number): Promise<number> {
  const client = screeningClient(() => edge);
  const files = {
    images: idxFile([count, ...set.inputShape], set.pixels.subarray(0, count * 3072)),
    labels: idxFile([count], Uint8Array.from(set.labels.subarray(0, count))),
  };
  const startedAt = performance.now();
  const { id } = await client.create({ dataset: name });
  for (const [file, bytes] of Object.entries(files)) {
    for (let part = 1; (part - 1) * partBytes < bytes.length; part++) {
      const answer = await client.putPart(
        id,
        part,
        bytes.subarray((part - 1) * partBytes, part * partBytes),
        file,
      );
      if (answer.status !== 200) throw new Error(await answer.text());
    }
  }
  const started = await client.call(`/v1/screenings/${id}/complete`, { method: 'POST' });
  if (started.status !== 202) throw new Error(await started.text());
  const job = await client.ended(id, 3_600_000, 250);
  if (job.state !== 'completed') throw new Error(JSON.stringify(job));
  await client.report(id);
  const seconds = (performance.now() - startedAt) / 1_000;
  if (count === examples) console.log(`poisoned classes: ${job.poisoned?.join(', ') || 'none'}`);
  await client.call(`/v1/screenings/${id}`, { method: 'DELETE' });
  return seconds;
}

/** The peer tells its own times: starting Python and loading the model are none of them. */
async function peerCost(python: string): Promise<Cost> {
  const { modelPath, pixels, inputShape, labels } = set;
  const options = { python, model: modelPath, pixels, inputShape, labels, threads: workers };
  const { seconds, cpu_seconds: cpu } = await peerScreening(options);
  return { seconds, cpu };
}

function printRow(what: string, costs: readonly Cost[]): void {
  const seconds = costs.map((cost) => cost.seconds);
  const rates = seconds.map((taken) => examples / taken);
  const cpu = costs.map((cost) => cost.cpu);
  console.log(`| ${what} | ${spread(seconds, 2)} | ${spread(rates, 0)} | ${spread(cpu, 2)} |`);
}

/** What one measurement took. */
interface Cost {
  readonly seconds: number;
  /** Of this process and all that it started, of the peer its own; not a number where the system does not tell. */
  readonly cpu: number;
}

async function costOf(run: () => Promise<number>): Promise<Cost> {
  const before = cpuSeconds();
  const seconds = await run();
  return { seconds, cpu: cpuSeconds() - before };
}

/** Linux tells the time of each process in hundredths of a second, and its parent. */
function cpuSeconds(): number {
  const seconds = new Map<number, number>();
  const parents = new Map<number, number>();
  try {
    for (const entry of readdirSync('/proc').filter((file) => /^\d+$/.test(file))) {
      const file = `/proc/${entry}/stat`;
      // Others end while they are looked at.
      if (!existsSync(file)) continue;
      const stat = readFileSync(file, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      parents.set(Number(entry), Number(fields[1]));
      seconds.set(Number(entry), (Number(fields[11]) + Number(fields[12])) / 100);
    }
  } catch {
    return Number.NaN;
  }
  const isOurs = (id: number): boolean => id === process.pid || (parents.has(id) && isOurs(parents.get(id)!));
  return [...seconds].reduce((sum, [id, own]) => sum + (isOurs(id) ? own : 0), 0);
}

/** Median, lowest and highest. */
function spread(numbers: readonly number[], digits: number): string {
  const sorted = numbers.toSorted((one, other) => one - other);
  const [low, middle, high] = [sorted[0], sorted[sorted.length >> 1], sorted[sorted.length - 1]];
  return `${middle.toFixed(digits)} [${low.toFixed(digits)} to ${high.toFixed(digits)}]`;
}

// Rows a second through a whole gpu-worker over HTTP beside those of the bare engine on the same cores, in turns; Linux alone (/proc).
//
// Usage: npm run bench:served -- [--rounds 8] [--seconds 3] [--connections 16] [--rows 1,8]
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { createOrtEngine } from '../../gpu-worker/engine/ort-engine.ts';
import { compileModel } from '../../gpu-worker/extraction/compile-model.ts';
import { compiledTensors, extractionPlanSchema } from '../../shared/contracts/extraction.ts';
import { seededRandom } from '../../shared/maths/random.ts';
import { elementCount, float32Tensor, int64Tensor } from '../../shared/maths/tensor.ts';
import { importNoiseKey } from '../../shared/noise/noise-key.ts';
import { type OipMessage, writeBinaryRequest } from '../../shared/oip/write-message.ts';
import { startProcess } from '../helpers/server-process.ts';
import { sharedFolder } from '../helpers/shared-folder.ts';
import type { BareThreadData } from './bare-thread.ts';
import { spread } from './http-load.ts';
import { rawHttpLoad } from './raw-http-load.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '8' },
    seconds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '16' },
    rows: { type: 'string', default: '1,8' },
  },
});
const [rounds, seconds, connections] = [values.rounds, values.seconds, values.connections].map(Number);
const copies = 16;
const bankRows = 256;
const token = 'a-token-of-the-bench-with-enough-characters';
const threads = availableParallelism();
/** Clock ticks of /proc a second, which Linux has fixed for its programs. */
const ticksPerSecond = 100;

/** What one turn gave. */
interface Turn {
  readonly rowsPerSecond: number;
  /** Milliseconds of processor a row, of the engine's threads or of the gpu-worker. */
  readonly processorMs: number;
  /** Milliseconds by which the gpu-worker's event loop was late, its 99th percentile; with the ten between two looks. */
  readonly loopDelayMs?: number;
  readonly latencyP99Ms?: number;
}

if (sharedFolder === undefined) {
  console.error('The models of ../shared/models are not here, there is nothing to measure.');
  process.exit(1);
}
const folder = await mkdtemp(join(tmpdir(), 'bench-served-'));
const subjects = await Promise.all(
  ['mnist-lenet5', 'cifar10-resnet8'].map((name) => prepare(name, sharedFolder!)),
);
const server = startProcess('gpu-worker/server.ts', {
  env: { ENGINE: 'cpu', GPU_WORKER_PORT: '0', GPU_WORKER_TOKEN: token, GPU_WORKER_MODELS: folder },
});
try {
  const url = String((await server.event('server.ready')).url);
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  console.log(
    `${cpus()[0].model}, ${threads} cores, load ${loadavg()[0].toFixed(1)}, Node ${process.version}, commit ${commit}`,
  );
  console.log(
    `N = ${copies}, ${connections} connections, ${rounds} rounds of ${seconds} s in turns, median [lowest to highest]; client and server share the cores`,
  );
  for (const subject of subjects) await measure(url, subject);
} finally {
  server.child.kill('SIGTERM');
  await rm(folder, { recursive: true });
}

interface Subject {
  readonly name: string;
  readonly bare: BareThreadData;
  /** Requests by their number of rows. */
  readonly messages: ReadonlyMap<number, OipMessage>;
}

async function prepare(name: string, shared: string): Promise<Subject> {
  const engine = await createOrtEngine({ workers: 1 });
  const noise = [{ family: 'gaussian', epsilon: 0.1, rows: bankRows, copies }];
  const plan = extractionPlanSchema.parse({ input_range: [0, 1], noise, taps: [] });
  const noiseKey = await importNoiseKey(new Uint8Array(32));
  const model = await readFile(`${shared}models/${name}.onnx`);
  const { bytes, compiled } = await compileModel(model, { name, plan, noiseKey, engine });
  await engine.close();
  await writeFile(join(folder, `${name}.onnx`), bytes);
  const shape = compiled.model.input_shape;
  const random = seededRandom(1);
  const feeds = (rows: number) => ({
    x: Float32Array.from({ length: rows * elementCount(shape) }, random),
    rows: Array.from({ length: rows * copies }, () => Math.floor(random() * bankRows)),
    signs: Float32Array.from({ length: rows * copies }, () => (random() < 0.5 ? -1 : 1)),
  });
  const one = feeds(1);
  const messages = values.rows.split(',').map((count): [number, OipMessage] => {
    const rows = Number(count);
    const own = feeds(rows);
    const message = writeBinaryRequest([
      { name: compiledTensors.input, ...float32Tensor(own.x, [rows, ...shape]) },
      { name: compiledTensors.noiseRows, ...int64Tensor(own.rows, [rows, copies]) },
      { name: compiledTensors.noiseSigns, ...float32Tensor(own.signs, [rows, copies]) },
    ]);
    return [rows, message];
  });
  const bare = { bytes, shape, x: one.x, rows: BigInt64Array.from(one.rows, BigInt), signs: one.signs };
  return { name, bare, messages: new Map(messages) };
}

/** Measures one model and prints it. */
async function measure(url: string, { name, bare, messages }: Subject): Promise<void> {
  const workers = await Promise.all(
    Array.from({ length: threads }, async () => {
      const worker = new Worker(new URL('./bare-thread.ts', import.meta.url), { workerData: bare });
      await once(worker, 'message');
      return worker;
    }),
  );
  const contenders = [
    { label: 'bare engine', turn: () => bareTurn(workers) },
    ...[...messages].map(([rows, message]) => ({
      label: `over HTTP, ${rows} ${rows === 1 ? 'row' : 'rows'} a request`,
      turn: () => servedTurn(`${url}/v2/models/${name}/infer`, { rows, message }),
    })),
  ];
  const turns = contenders.map((): Turn[] => []);
  for (let round = 0; round <= rounds; round++) {
    for (let place = 0; place < contenders.length; place++) {
      const index = (round + place) % contenders.length;
      const turn = await contenders[index].turn();
      // The first round warms up.
      if (round > 0) turns[index].push(turn);
    }
  }
  await Promise.all(workers.map((worker) => worker.terminate()));
  console.log(`\n${name}`);
  for (const [index, { label }] of contenders.entries()) print(label, turns[index], turns[0]);
}

async function bareTurn(workers: readonly Worker[]): Promise<Turn> {
  const [cpu, startedAt] = [process.cpuUsage(), performance.now()];
  const runs = await Promise.all(
    workers.map(async (worker) => {
      worker.postMessage(seconds * 1_000);
      const [count] = (await once(worker, 'message')) as [number];
      return count;
    }),
  );
  const rows = runs.reduce((sum, count) => sum + count, 0);
  const { user, system } = process.cpuUsage(cpu);
  const took = (performance.now() - startedAt) / 1_000;
  return { rowsPerSecond: rows / took, processorMs: (user + system) / 1_000 / rows };
}

async function servedTurn(
  url: string,
  { rows, message }: { readonly rows: number; readonly message: OipMessage },
): Promise<Turn> {
  const headers = { ...message.headers, authorization: `Bearer ${token}` };
  // Each reading of the metrics begins a new count of the delays.
  await loopDelay(url);
  const before = await processorMsOf(server.child.pid!);
  const load = await rawHttpLoad({ url, headers, body: message.body, connections, ms: seconds * 1_000 });
  const used = (await processorMsOf(server.child.pid!)) - before;
  if (load.failed > 0) throw new Error(`${load.failed} of ${load.answers} requests failed`);
  return {
    rowsPerSecond: (load.answers * rows) / load.seconds,
    processorMs: used / (load.answers * rows),
    loopDelayMs: await loopDelay(url),
    latencyP99Ms: load.latencies[Math.floor(0.99 * (load.latencies.length - 1))],
  };
}

async function loopDelay(url: string): Promise<number> {
  const answer = await fetch(new URL('/metrics', url), { headers: { authorization: `Bearer ${token}` } });
  return 1_000 * Number(/^nodejs_eventloop_lag_p99_seconds (\S+)$/m.exec(await answer.text())?.[1]);
}

/** Processor time of a process with all its threads. */
async function processorMsOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1_000) / ticksPerSecond;
}

function print(label: string, turns: readonly Turn[], base: readonly Turn[]): void {
  const of = (read: (turn: Turn) => number | undefined) =>
    spread(turns.map((turn) => read(turn) ?? Number.NaN));
  const share = spread(turns.map((turn, round) => turn.rowsPerSecond / base[round].rowsPerSecond));
  const processorShare = spread(turns.map((turn, round) => base[round].processorMs / turn.processorMs));
  console.log(`  ${label}`);
  console.log(`    rows a second ${of((turn) => turn.rowsPerSecond)}, of the bare engine's ${share}`);
  console.log(
    `    processor ms a row ${of((turn) => turn.processorMs)}; the bare engine's is ${processorShare} of it`,
  );
  if (turns[0].loopDelayMs === undefined) return;
  console.log(
    `    p99 of the event loop's delay ${of((turn) => turn.loopDelayMs)} ms, of the answers ${of((turn) => turn.latencyP99Ms)} ms`,
  );
}

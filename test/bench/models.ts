// Memory of a gpu-worker that serves eight models, of which it may hold three or so: each is asked for in turn. Linux alone (/proc).
//
// Usage: npm run bench:models -- [--minutes 60] [--memory-mb 256] [--pause-ms 200] [--warm-up 2] [--mmap-threshold 131072]
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createOrtEngine } from '../../gpu-worker/engine/ort-engine.ts';
import { compileModel } from '../../gpu-worker/extraction/compile-model.ts';
import { compiledTensors, extractionPlanSchema } from '../../shared/contracts/extraction.ts';
import { headerLengthHeader } from '../../shared/contracts/inference.ts';
import { seededRandom } from '../../shared/maths/random.ts';
import { elementCount, float32Tensor, int64Tensor } from '../../shared/maths/tensor.ts';
import { importNoiseKey } from '../../shared/noise/noise-key.ts';
import { readResponse } from '../../shared/oip/read-message.ts';
import { type OipMessage, writeBinaryRequest } from '../../shared/oip/write-message.ts';
import { startProcess } from '../helpers/server-process.ts';
import { sharedFolder } from '../helpers/shared-folder.ts';
import { slopeOf } from './slope.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    'memory-mb': { type: 'string', default: '256' },
    'pause-ms': { type: 'string', default: '200' },
    'warm-up': { type: 'string', default: '2' },
    'mmap-threshold': { type: 'string', default: '131072' },
  },
});
const minutes = Number(values.minutes);
/** Minutes at the beginning that are left out of the slope. */
const warmUp = Number(values['warm-up']);
const sampleEveryMs = 2_000;
const copies = 16;
/** Files under shared/models with the rows of their noise banks, which make most of their size. */
const subjects: readonly { readonly file: string; readonly bankRows: readonly number[] }[] = [
  { file: 'mnist-lenet5.onnx', bankRows: [256, 4_096, 12_000] },
  { file: 'cifar10-resnet8.onnx', bankRows: [256, 2_048, 4_096] },
  { file: 'reference/resnet20.onnx', bankRows: [1_024] },
  { file: 'reference/vggs.onnx', bankRows: [2_048] },
];
const token = 'a-token-of-the-bench-with-enough-characters';

/** A model with a request and the answer that it gave first. */
interface Asked {
  readonly name: string;
  readonly megabytes: number;
  readonly message: OipMessage;
  answer: string | undefined;
}

if (sharedFolder === undefined) {
  console.error('The models of ../shared/models are not here, there is nothing to measure.');
  process.exit(1);
}
const folder = await mkdtemp(join(tmpdir(), 'bench-models-'));
const asked = await compileAll(sharedFolder);
const server = startProcess('gpu-worker/server.ts', {
  env: {
    ENGINE: 'cpu',
    GPU_WORKER_PORT: '0',
    GPU_WORKER_TOKEN: token,
    GPU_WORKER_MODELS: folder,
    GPU_WORKER_MEMORY_MB: values['memory-mb'],
    GPU_WORKER_DEADLINE_MS: '60000',
    // As the images have it; empty leaves the allocator as it is.
    ...(values['mmap-threshold'] !== '' && { MALLOC_MMAP_THRESHOLD_: values['mmap-threshold'] }),
  },
});
const statuses = new Map<string, number>();
try {
  const url = String((await server.event('server.ready', 300_000)).url);
  const startedAt = performance.now();
  const elapsed = () => (performance.now() - startedAt) / 60_000;
  const asking = askInTurn(url, () => elapsed() < minutes);
  const at: number[] = [];
  const megabytes: number[] = [];
  while (elapsed() < minutes) {
    await sleep(sampleEveryMs);
    if (elapsed() < warmUp) continue;
    at.push(elapsed());
    megabytes.push(await residentMegabytes(server.child.pid!));
  }
  await asking;
  await report(url, { at, megabytes });
} finally {
  server.child.kill('SIGTERM');
  await rm(folder, { recursive: true });
}

async function compileAll(shared: string): Promise<Asked[]> {
  const engine = await createOrtEngine({ workers: 1 });
  const noiseKey = await importNoiseKey(new Uint8Array(32));
  const made: Asked[] = [];
  for (const { file, bankRows } of subjects) {
    for (const rows of bankRows) {
      const name = `m${made.length}`;
      const noise = [{ family: 'gaussian', epsilon: 0.1, rows, copies }];
      const plan = extractionPlanSchema.parse({ input_range: [0, 1], noise, taps: [] });
      const model = await readFile(`${shared}models/${file}`);
      const { bytes, compiled } = await compileModel(model, { name, plan, noiseKey, engine });
      await writeFile(join(folder, `${name}.onnx`), bytes);
      const shape = compiled.model.input_shape;
      const random = seededRandom(made.length + 1);
      const message = writeBinaryRequest([
        {
          name: compiledTensors.input,
          ...float32Tensor(Float32Array.from({ length: elementCount(shape) }, random), [1, ...shape]),
        },
        {
          name: compiledTensors.noiseRows,
          ...int64Tensor(
            Array.from({ length: copies }, () => Math.floor(random() * rows)),
            [1, copies],
          ),
        },
        {
          name: compiledTensors.noiseSigns,
          ...float32Tensor(
            Float32Array.from({ length: copies }, () => (random() < 0.5 ? -1 : 1)),
            [1, copies],
          ),
        },
      ]);
      made.push({ name, megabytes: bytes.length / 2 ** 20, message, answer: undefined });
    }
  }
  await engine.close();
  return made;
}

/** Two requests for each model in turn, and now and then one for any other at the same time. */
async function askInTurn(url: string, goesOn: () => boolean): Promise<void> {
  const random = seededRandom(1);
  for (let turn = 0; goesOn(); turn++) {
    const subject = asked[turn % asked.length];
    const beside = random() < 0.25 ? [asked[Math.floor(random() * asked.length)]] : [];
    const outcomes = await Promise.all([subject, subject, ...beside].map((one) => ask(url, one)));
    for (const outcome of outcomes) statuses.set(outcome, (statuses.get(outcome) ?? 0) + 1);
    await sleep(Number(values['pause-ms']));
  }
}

async function ask(url: string, subject: Asked): Promise<string> {
  const { body, headers } = subject.message;
  const init = { method: 'POST', body, headers: { ...headers, authorization: `Bearer ${token}` } };
  const response = await fetch(`${url}/v2/models/${subject.name}/infer`, init);
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (response.status !== 200) return String(response.status);
  const { outputs } = readResponse({ bytes, headerLength: response.headers.get(headerLengthHeader) });
  const answer = outputs.map(({ data }) => Array.from(data as Float32Array).join()).join(';');
  subject.answer ??= answer;
  return subject.answer === answer ? 'the same answer' : 'another answer';
}

async function residentMegabytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'latin1');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
}

async function report(
  url: string,
  { at, megabytes }: { readonly at: readonly number[]; readonly megabytes: readonly number[] },
): Promise<void> {
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  const machine = `${cpus()[0].model}, ${availableParallelism()} cores, ${Math.round(totalmem() / 2 ** 30)} GB`;
  console.log(`${machine}, Node ${process.version}, commit ${commit}`);
  const sizes = asked.map((one) => one.megabytes.toFixed(1)).join(', ');
  console.log(
    `${minutes} minutes, eight files of ${sizes} MB, GPU_WORKER_MEMORY_MB=${values['memory-mb']}, MALLOC_MMAP_THRESHOLD_=${values['mmap-threshold']}`,
  );
  console.log([...statuses].map(([outcome, count]) => `${outcome} ${count}`).join(', '));
  const metrics = await (
    await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${token}` } })
  ).text();
  for (const [line] of metrics.matchAll(/^gpu_worker_model\S+ .*$/gm)) console.log(line);
  const mean = (part: readonly number[]) =>
    (part.reduce((sum, value) => sum + value, 0) / part.length).toFixed(1);
  const tenth = Math.ceil(megabytes.length / 10);
  const { slope, low, high } = slopeOf(at, megabytes);
  const [perHour, ...range] = [slope, low, high].map((value) => (60 * value).toFixed(1));
  console.log(
    `resident MB after ${warmUp} minutes: first tenth ${mean(megabytes.slice(0, tenth))}, last tenth ${mean(megabytes.slice(-tenth))}, highest ${Math.max(...megabytes).toFixed(1)}, slope ${perHour} an hour [${range.join(' to ')}]`,
  );
  const wrong = [...statuses.keys()].filter((outcome) => outcome !== 'the same answer');
  if (wrong.length === 0 && asked.every(({ answer }) => answer !== undefined)) return;
  console.error('a model was lost, or answered otherwise than at first');
  process.exitCode = 1;
}

// Images a second of PGD with 100 steps, here and in PyTorch on the same cores, on the same images, in turns.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { attackTarget } from '../../gpu-worker/attacks/attack-target.ts';
import { pgd } from '../../gpu-worker/attacks/pgd.ts';
import { correctRows } from '../../gpu-worker/calibrate/training-inputs.ts';
import { loadCifarFolder } from '../../gpu-worker/datasets/cifar-binary.ts';
import { type Dataset, selectDatasetRows } from '../../gpu-worker/datasets/dataset.ts';
import { loadIdxFolder } from '../../gpu-worker/datasets/idx.ts';
import { createOrtEngine } from '../../gpu-worker/engine/ort-engine.ts';
import { forwardModel } from '../../gpu-worker/onnx/forward-model.ts';
import { gradientModel } from '../../gpu-worker/onnx/input-gradient.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import { sharedFolder } from '../helpers/shared-folder.ts';

/** A model, what it is attacked on, and the images of one round. */
interface Subject {
  readonly file: string;
  readonly inputShape: readonly number[];
  readonly epsilon: number;
  readonly images: number;
  readonly load: (folder: string) => Promise<Dataset>;
}

const subjects: readonly Subject[] = [
  {
    file: 'mnist-lenet5.onnx',
    inputShape: [1, 28, 28],
    epsilon: 0.3,
    images: 128,
    load: (folder) => loadIdxFolder(`${folder}data/mnist`, 'test'),
  },
  {
    file: 'cifar10-resnet8.onnx',
    inputShape: [3, 32, 32],
    epsilon: 8 / 255,
    images: 64,
    load: (folder) => loadCifarFolder(`${folder}data/cifar10`, 'test'),
  },
];
const steps = 100;
const rounds = 5;

/** Attacks images [first, end) of the files that it was started with. */
type Contender = (first: number, end: number) => Promise<{ seconds: number; successes: number }>;

if (sharedFolder === undefined) {
  console.error('The models of ../shared/models are not here, there is nothing to measure.');
  process.exit(1);
}
/** An interpreter with torch and onnx (Debian has both as packages), and the one model to measure; all of them by default. */
const [python = 'python3', only] = process.argv.slice(2);
const cores = availableParallelism();
const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
const torch = execFileSync(python, ['-c', 'import onnx, torch; print(torch.__version__)'], {
  encoding: 'utf8',
});
console.log(
  `${cpus()[0].model}, ${cores} cores, Node ${process.version}, PyTorch ${torch.trim()}, commit ${commit}`,
);
console.log(
  `PGD, ${steps} steps, random start; images a second, median [lowest to highest] of ${rounds} rounds`,
);
for (const subject of subjects) {
  if (only === undefined || subject.file === only) await measure(subject, sharedFolder);
}

async function measure({ file, inputShape, epsilon, images, load }: Subject, shared: string): Promise<void> {
  const engine = await createOrtEngine({});
  const scratch = mkdtempSync(path.join(tmpdir(), 'nccr-bench-'));
  try {
    const modelPath = `${shared}models/${file}`;
    const model = readFileSync(modelPath);
    const [forward, gradient] = await Promise.all([
      engine.load(await forwardModel(model, { engine })),
      engine.load(await gradientModel(model, { engine, head: 'cross-entropy', loss: false })),
    ]);
    const target = attackTarget({ forward, gradient }, { inputShape, classes: 10, range: [0, 1] });
    const drawn = selectDatasetRows(
      await load(shared),
      Uint32Array.from({ length: 2000 }, (_, row) => row),
    );
    const { inputs, labels } = await correctRows(target, drawn);
    writeFileSync(path.join(scratch, 'x'), inputs);
    writeFileSync(path.join(scratch, 'y'), Int32Array.from(labels));
    const size = elementCount(inputShape);
    const ours: Contender = async (first, end) => {
      const rows = { inputs: inputs.subarray(first * size, end * size), labels: labels.slice(first, end) };
      const startedAt = performance.now();
      const { success } = await pgd(target, rows, { epsilon, steps, randomStart: 1 });
      return { seconds: (performance.now() - startedAt) / 1000, successes: sum([...success]) };
    };
    const files = [modelPath, path.join(scratch, 'x'), path.join(scratch, 'y'), JSON.stringify(inputShape)];
    const peer = (threads: number, batch: number) =>
      startPeer([...files, String(epsilon), String(steps), String(threads), String(batch)]);
    const contenders: [string, Contender][] = [
      ['nccr-guard', ours],
      [`PyTorch, 1 process, ${cores} threads, batches of 32`, peer(cores, 32)],
      [`PyTorch, 1 process, ${cores} threads, batches of 128`, peer(cores, 128)],
      [
        `PyTorch, ${cores} processes, batches of 32`,
        inShares(Array.from({ length: cores }, () => peer(1, 32))),
      ],
    ];
    await printRounds(file, contenders, images);
  } finally {
    await engine.close();
    rmSync(scratch, { recursive: true });
  }
}

/** All contenders take turns on the images of a round; the first round warms them up and is not counted. */
async function printRounds(file: string, contenders: [string, Contender][], images: number): Promise<void> {
  const rates: number[][] = contenders.map(() => []);
  const successes = contenders.map(() => 0);
  for (let round = 0; round <= rounds; round++) {
    for (const [index, [, run]] of contenders.entries()) {
      const done = await run(round * images, (round + 1) * images);
      if (round === 0) continue;
      rates[index].push(images / done.seconds);
      successes[index] += done.successes;
    }
  }
  console.log(`\n${file}`);
  for (const [index, [name]] of contenders.entries()) {
    const ratios = rates[index].map((rate, round) => rates[0][round] / rate);
    const share = ((100 * successes[index]) / (rounds * images)).toFixed(1);
    console.log(
      `  ${name.padEnd(48)} ${summary(rates[index], 1)}   ours x ${summary(ratios, 2)}   successes ${share} %`,
    );
  }
  for (const [, run] of contenders) await run(0, 0);
}

/** A Python process that attacks on demand; an empty share ends it. */
function startPeer(options: readonly string[]): Contender {
  const script = path.join(import.meta.dirname, 'pgd_torch.py');
  const child = spawn(python, [script, ...options], { stdio: ['pipe', 'pipe', 'inherit'] });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return async (first, end) => {
    if (first === end) {
      child.stdin.end();
      return { seconds: 0, successes: 0 };
    }
    child.stdin.write(`${first} ${end}\n`);
    const answer = await answers.next();
    if (answer.done === true) throw new Error('the PyTorch process has ended');
    return JSON.parse(answer.value);
  };
}

/** Several processes with a share of the images each; as slow as the slowest. */
function inShares(parts: readonly Contender[]): Contender {
  return async (first, end) => {
    const share = (end - first) / parts.length;
    const done = await Promise.all(
      parts.map((run, index) =>
        run(Math.round(first + index * share), Math.round(first + (index + 1) * share)),
      ),
    );
    return {
      seconds: Math.max(...done.map(({ seconds }) => seconds)),
      successes: sum(done.map(({ successes }) => successes)),
    };
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function summary(values: readonly number[], digits: number): string {
  const sorted = [...values].sort((left, right) => left - right);
  const [low, middle, high] = [sorted[0], sorted[Math.floor(sorted.length / 2)], sorted[sorted.length - 1]];
  return `${middle.toFixed(digits)} [${low.toFixed(digits)} to ${high.toFixed(digits)}]`;
}

// Input gradients a second, here and in PyTorch on the same cores, on the same images, in turns; and how far the two differ.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { type AttackTarget, attackTarget } from '../../gpu-worker/attacks/attack-target.ts';
import { createOrtEngine } from '../../gpu-worker/engine/ort-engine.ts';
import { forwardModel } from '../../gpu-worker/onnx/forward-model.ts';
import { gradientModel } from '../../gpu-worker/onnx/input-gradient.ts';
import { seededRandom } from '../../shared/maths/random.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import { sharedFolder } from '../helpers/shared-folder.ts';

/** A model and the images of one round, which every contender takes in each size of batch. */
interface Subject {
  readonly file: string;
  readonly inputShape: readonly number[];
  readonly classes: number;
  readonly images: number;
}

const subjects: readonly Subject[] = [
  { file: 'mnist-lenet5.onnx', inputShape: [1, 28, 28], classes: 10, images: 512 },
  { file: 'cifar10-resnet8.onnx', inputShape: [3, 32, 32], classes: 10, images: 256 },
  { file: 'poisoned/gtsrb_clean.onnx', inputShape: [3, 32, 32], classes: 43, images: 256 },
];
const batchSizes = [1, 8, 32, 128];
const rounds = 5;
/** Largest difference of two gradients of one image, relative to its largest element. */
const differenceMax = 1e-5;

/** What images [first, end) cost in batches of some size. */
interface Cost {
  readonly seconds: number;
  readonly cpuSeconds: number;
}
interface Batches {
  readonly first: number;
  readonly end: number;
  readonly size: number;
  /** Whether the gradients are written down. */
  readonly keep: boolean;
}
interface Contender {
  readonly name: string;
  readonly run: (batches: Batches) => Promise<Cost>;
  readonly stop: () => void;
}

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
  `gradient of the cross-entropy by the input; median [lowest to highest] of ${rounds} rounds in turns`,
);
for (const subject of subjects)
  if (only === undefined || subject.file === only) await measure(subject, sharedFolder);
console.log(`\nload of the machine at the end ${loadavg()[0].toFixed(1)} (this bench alone: about ${cores})`);

async function measure({ file, inputShape, classes, images }: Subject, shared: string): Promise<void> {
  const engine = await createOrtEngine({});
  const scratch = mkdtempSync(path.join(tmpdir(), 'nccr-bench-'));
  const modelPath = `${shared}models/${file}`;
  const model = readFileSync(modelPath);
  const [forward, gradient] = await Promise.all([
    engine.load(await forwardModel(model, { engine })),
    engine.load(await gradientModel(model, { engine, head: 'cross-entropy', loss: false })),
  ]);
  const target = attackTarget({ forward, gradient }, { inputShape, classes, range: [0, 1] });
  const random = seededRandom(1);
  const inputs = Float32Array.from({ length: images * elementCount(inputShape) }, () => random());
  const labels = Array.from({ length: images }, (_, row) => row % classes);
  writeFileSync(path.join(scratch, 'x'), inputs);
  writeFileSync(path.join(scratch, 'y'), Int32Array.from(labels));
  const files = [modelPath, path.join(scratch, 'x'), path.join(scratch, 'y'), JSON.stringify(inputShape)];
  const answer = path.join(scratch, 'gradients');
  const peer = (threads: number, form: 'eager' | 'jit') =>
    startPeer([...files, answer, String(threads), form]);
  const processes = (form: 'eager' | 'jit') => inShares(Array.from({ length: cores }, () => peer(1, form)));
  const contenders: Contender[] = [
    { name: 'nccr-guard', run: ours(target, inputs, labels), stop: () => {} },
    { name: `PyTorch, 1 process, ${cores} threads`, ...peer(cores, 'eager') },
    { name: `PyTorch, ${cores} processes`, ...processes('eager') },
    { name: `PyTorch, ${cores} processes, traced`, ...processes('jit') },
  ];
  try {
    console.log(`\n${file}`);
    await contenders[1].run({ first: 0, end: images, size: 128, keep: true });
    const bytes = readFileSync(answer);
    const theirs = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    printDifference(await target.lossGradient(inputs, labels), theirs, images);
    for (const size of batchSizes) await printRounds(contenders, { images, size });
  } finally {
    for (const { stop } of contenders) stop();
    await engine.close();
    rmSync(scratch, { recursive: true });
  }
}

/** As many batches at a time as there are cores: what the other side does with several processes. */
function ours(target: AttackTarget, inputs: Float32Array, labels: readonly number[]): Contender['run'] {
  const size = elementCount(target.inputShape);
  return async ({ first, end, size: rows }) => {
    const spent = process.cpuUsage();
    const startedAt = performance.now();
    let next = first;
    const work = async () => {
      for (let start = next; start < end; start = next) {
        next = Math.min(end, start + rows);
        await target.lossGradient(inputs.subarray(start * size, next * size), labels.slice(start, next));
      }
    };
    await Promise.all(Array.from({ length: cores }, work));
    const seconds = (performance.now() - startedAt) / 1000;
    const { user, system } = process.cpuUsage(spent);
    return { seconds, cpuSeconds: (user + system) / 1e6 };
  };
}

/** All contenders take turns; the first round warms them up and is not counted. */
async function printRounds(
  contenders: readonly Contender[],
  { images, size }: { images: number; size: number },
): Promise<void> {
  // Small batches cost more an image, and fewer of them say as much.
  const end = size === 1 ? images / 4 : images;
  const costs: Cost[][] = contenders.map(() => []);
  for (let round = 0; round <= rounds; round++) {
    for (const [index, { run }] of contenders.entries()) {
      const cost = await run({ first: 0, end, size, keep: false });
      if (round > 0) costs[index].push(cost);
    }
  }
  console.log(`  batches of ${size}`);
  for (const [index, { name }] of contenders.entries()) {
    const rates = costs[index].map(({ seconds }) => end / seconds);
    const micros = costs[index].map(({ cpuSeconds }) => (1e6 * cpuSeconds) / end);
    console.log(
      `    ${name.padEnd(30)} ${summary(rates, 0)} images/s, ${summary(micros, 0)} us of CPU an image`,
    );
  }
  const faster = againstBest(costs, 'seconds');
  const cheaper = againstBest(costs, 'cpuSeconds');
  console.log(
    `    ours x ${summary(faster, 2)} of PyTorch's best way by time, x ${summary(cheaper, 2)} by CPU`,
  );
}

/** How many times ours the cost of the other side's best way is, round by round; the best is the one with the lowest median. */
function againstBest([own, ...others]: readonly Cost[][], kind: keyof Cost): number[] {
  const all = others.map((costs) => costs.map((cost) => cost[kind]));
  const best = all.reduce((one, other) => (median(other) < median(one) ? other : one));
  return best.map((cost, round) => cost / own[round][kind]);
}

/** @throws Error where a gradient is not the other side's */
function printDifference(ours: Float32Array, theirs: Float32Array, images: number): void {
  const size = ours.length / images;
  let worst = theirs.length === ours.length ? 0 : Number.POSITIVE_INFINITY;
  for (let image = 0; image < images; image++) {
    let largest = 0;
    let difference = 0;
    for (let at = image * size; at < (image + 1) * size; at++) {
      largest = Math.max(largest, Math.abs(theirs[at]));
      difference = Math.max(difference, Math.abs(theirs[at] - ours[at]));
    }
    worst = Math.max(worst, difference / largest);
  }
  console.log(`  largest difference of the gradients, relative: ${worst.toExponential(1)}`);
  if (!(worst <= differenceMax)) throw new Error(`the gradients differ by more than ${differenceMax}`);
}

/** A Python process that answers on demand. */
function startPeer(options: readonly string[]): Pick<Contender, 'run' | 'stop'> {
  const script = path.join(import.meta.dirname, 'gradients_torch.py');
  const child = spawn(python, [script, ...options], { stdio: ['pipe', 'pipe', 'inherit'] });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async run({ first, end, size, keep }) {
      child.stdin.write(`${first} ${end} ${size} ${keep ? 1 : 0}\n`);
      const answer = await answers.next();
      if (answer.done === true) throw new Error('the PyTorch process has ended');
      return JSON.parse(answer.value);
    },
    stop: () => child.stdin.end(),
  };
}

/** Several processes with a share of the batches each; as slow as the slowest. */
function inShares(parts: readonly Pick<Contender, 'run' | 'stop'>[]): Pick<Contender, 'run' | 'stop'> {
  return {
    async run({ first, end, size, keep }) {
      const batches = Math.ceil((end - first) / size);
      const edge = (part: number) =>
        Math.min(end, first + size * Math.round((part * batches) / parts.length));
      const costs = await Promise.all(
        parts.map(({ run }, part) => run({ first: edge(part), end: edge(part + 1), size, keep })),
      );
      return {
        seconds: Math.max(...costs.map(({ seconds }) => seconds)),
        cpuSeconds: costs.reduce((total, { cpuSeconds }) => total + cpuSeconds, 0),
      };
    },
    stop() {
      for (const { stop } of parts) stop();
    },
  };
}

function summary(values: readonly number[], digits: number): string {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return `${median(values).toFixed(digits)} [${low.toFixed(digits)} to ${high.toFixed(digits)}]`;
}

function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)];
}

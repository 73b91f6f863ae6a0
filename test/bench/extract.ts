// Cost of fused extraction over the bare forward pass of the same rows, interleaved in one process on onnxruntime-node.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { performance } from 'node:perf_hooks';
import * as ort from 'onnxruntime-node';
import { createOrtEngine } from '../../gpu-worker/engine/ort-engine.ts';
import { compileModel } from '../../gpu-worker/extraction/compile-model.ts';
import { type ExtractionPlan, planCopies, type Tap } from '../../shared/contracts/extraction.ts';
import { seededRandom } from '../../shared/maths/random.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import { importNoiseKey } from '../../shared/noise/noise-key.ts';
import { selectRows } from '../../shared/noise/select-rows.ts';
import { sharedFolder } from '../helpers/shared-folder.ts';

/** A model of the bench with the layers that its second plan taps. */
interface Subject {
  readonly file: string;
  readonly epsilon: number;
  readonly layers: readonly string[];
  /** Highest ratio of the plan without taps that counts as reached. */
  readonly target: number;
}

const subjects: readonly Subject[] = [
  { file: 'mnist-lenet5.onnx', epsilon: 0.3, layers: ['conv1', 'conv2', 'fc1', 'fc2'], target: 1.6 },
  {
    file: 'cifar10-resnet8.onnx',
    epsilon: 8 / 255,
    layers: ['stem', 'block1', 'block2', 'block3', 'gap'],
    target: 1.25,
  },
];
const copies = 16;
/** Measurements, and runs in each: one of 0.3 ms alone would be lost in the clock and the scheduler. */
const rounds = 20;
const roundMs = 40;

/** One thing that is timed. */
interface Contender {
  readonly name: string;
  readonly run: () => Promise<unknown>;
}

if (sharedFolder === undefined) {
  console.error('The models of ../shared/models are not here, there is nothing to measure.');
  process.exit(1);
}
const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
console.log(`${cpus()[0].model}, ${availableParallelism()} cores, Node ${process.version}, commit ${commit}`);
console.log(
  `onnxruntime-node directly, one thread; N = ${copies}, R = 1; median [quartiles] of ${rounds} rounds`,
);
const failed: string[] = [];
for (const subject of subjects) if (!(await measure(subject))) failed.push(subject.file);
if (failed.length > 0) {
  console.error(`over the target: ${failed.join(', ')}`);
  process.exitCode = 1;
}

/** Measures one model and prints it; whether the target holds. */
async function measure({ file, epsilon, layers, target }: Subject): Promise<boolean> {
  const bytes = readFileSync(`${sharedFolder}models/${file}`);
  const taps = layers.map((tensor): Tap => ({ kind: 'layer', tensor }));
  const contenders = [
    await bareForward(bytes),
    await fused(bytes, { name: 'fused, logits', plan: planOf(epsilon, []) }),
    await fused(bytes, { name: `fused, ${layers.length} layer taps`, plan: planOf(epsilon, taps) }),
  ];
  const times = await interleave(contenders);
  console.log(`\n${file} (target ${target} for the logits)`);
  for (const [index, { name }] of contenders.entries()) {
    const ratios = times[index].map((time, round) => time / times[0][round]);
    console.log(
      `  ${name.padEnd(22)} ${summary(times[index], 3)} ms   x ${summary(ratios, 2)}   best x ${(
        Math.min(...times[index]) / Math.min(...times[0])
      ).toFixed(2)}`,
    );
  }
  const logitsRatio = quantile(
    times[1].map((time, round) => time / times[0][round]),
    0.5,
  );
  return logitsRatio <= target;
}

function planOf(epsilon: number, taps: Tap[]): ExtractionPlan {
  return { input_range: [0, 1], noise: [{ family: 'gaussian', epsilon, rows: 256, copies }], taps };
}

/** The protected model as it is, on a batch of as many rows as the fused graph makes. */
async function bareForward(bytes: Uint8Array): Promise<Contender> {
  const session = await open(bytes);
  const [input] = session.inputMetadata;
  if (!input.isTensor) throw new Error('the input is not a tensor');
  const shape = input.shape.slice(1).map(Number);
  const rows = new ort.Tensor('float32', randomInput((copies + 1) * elementCount(shape)), [
    copies + 1,
    ...shape,
  ]);
  return { name: `bare, ${copies + 1} rows`, run: () => session.run({ [input.name]: rows }) };
}

/** The compiled model on one input. */
async function fused(
  bytes: Uint8Array,
  { name, plan }: { name: string; plan: ExtractionPlan },
): Promise<Contender> {
  const engine = await createOrtEngine({ workers: 1 });
  const noiseKey = await importNoiseKey(new Uint8Array(32));
  const { bytes: compiledBytes, compiled } = await compileModel(bytes, {
    name: 'bench',
    plan,
    noiseKey,
    engine,
  });
  await engine.close();
  const session = await open(compiledBytes);
  const shape = compiled.model.input_shape;
  const x = randomInput(elementCount(shape));
  const { rows, signs } = await selectRows(noiseKey, plan, x);
  const feeds = {
    x: new ort.Tensor('float32', x, [1, ...shape]),
    noise_rows: new ort.Tensor('int64', BigInt64Array.from(rows, BigInt), [1, planCopies(plan)]),
    noise_signs: new ort.Tensor('float32', Float32Array.from(signs), [1, planCopies(plan)]),
  };
  return { name, run: () => session.run(feeds) };
}

function open(bytes: Uint8Array): Promise<ort.InferenceSession> {
  return ort.InferenceSession.create(bytes, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    logSeverityLevel: 3,
  });
}

/** Milliseconds a run of each contender, [contenders][rounds]; all take their turn in every round. */
async function interleave(contenders: readonly Contender[]): Promise<number[][]> {
  const times = contenders.map((): number[] => []);
  const runs = Math.max(1, Math.round(roundMs / (await timeOf(contenders[0], 50))));
  for (const contender of contenders) await timeOf(contender, runs);
  for (let round = 0; round < rounds; round++) {
    // The order turns, so that none always runs after the same neighbour.
    for (let turn = 0; turn < contenders.length; turn++) {
      const index = (round + turn) % contenders.length;
      times[index].push(await timeOf(contenders[index], runs));
    }
  }
  return times;
}

async function timeOf({ run }: Contender, runs: number): Promise<number> {
  const start = performance.now();
  for (let count = 0; count < runs; count++) await run();
  return (performance.now() - start) / runs;
}

function randomInput(count: number): Float32Array {
  const random = seededRandom(1);
  return Float32Array.from({ length: count }, () => random());
}

function summary(values: readonly number[], digits: number): string {
  const [low, middle, high] = [0.25, 0.5, 0.75].map((share) => quantile(values, share).toFixed(digits));
  return `${middle} [${low} to ${high}]`;
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  const place = share * (sorted.length - 1);
  const below = sorted[Math.floor(place)];
  return below + (sorted[Math.ceil(place)] - below) * (place - Math.floor(place));
}

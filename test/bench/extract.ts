// Cost of fused extraction over the bare forward pass of the same rows and of one, interleaved in one process on onnxruntime-node.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import * as ort from 'onnxruntime-node';
import { createOrtEngine } from '../../gpu-worker/engine/ort-engine.ts';
import { compileModel } from '../../gpu-worker/extraction/compile-model.ts';
import { layerTensors } from '../../gpu-worker/onnx/layer-tensors.ts';
import {
  type ExtractionPlan,
  extractionPlanSchema,
  planNoiseCopies,
} from '../../shared/contracts/extraction.ts';
import { seededRandom } from '../../shared/maths/random.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import { importNoiseKey } from '../../shared/noise/noise-key.ts';
import { selectRows } from '../../shared/noise/select-rows.ts';
import { type TransformPresetName, transformPresets } from '../../shared/noise/transform-presets.ts';
import { sharedFolder } from '../helpers/shared-folder.ts';

/** A model of the bench with the layers that its second plan taps. */
interface Subject {
  readonly file: string;
  readonly epsilon: number;
  readonly layers: readonly string[] | 'found';
  readonly preset: TransformPresetName;
  /** Highest ratio of the plan without taps that counts as reached. */
  readonly target: number;
}

/** The same of the plan with a tap on each layer. */
const tapsTarget = 1.2;
/** Layers of a model that are tapped where they are found by themselves. */
const layersMost = 5;

const subjects: readonly Subject[] = [
  {
    file: 'mnist-lenet5.onnx',
    epsilon: 0.3,
    layers: ['conv1', 'conv2', 'fc1', 'fc2'],
    preset: 'w0-grey',
    target: 1.35,
  },
  {
    file: 'cifar10-resnet8.onnx',
    epsilon: 8 / 255,
    layers: ['stem', 'block1', 'block2', 'block3', 'gap'],
    preset: 'w0-colour',
    target: 1.1,
  },
  {
    file: 'reference/resnet20.onnx',
    epsilon: 8 / 255,
    layers: 'found',
    preset: 'w0-colour',
    target: 1.1,
  },
  {
    file: 'reference/vggs.onnx',
    epsilon: 8 / 255,
    layers: 'found',
    preset: 'w0-colour',
    target: 1.1,
  },
];
const noiseCopies = 16;
/** Measurements, and the time of each: a run of 0.3 ms alone would be lost in the clock and the scheduler. */
const rounds = 40;
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
  `onnxruntime-node directly, one thread; N = ${noiseCopies} or the transforms of a preset, R = 1; processor time, median [quartiles] of ${rounds} rounds`,
);
const failed: string[] = [];
for (const subject of subjects) if (!(await measure(subject))) failed.push(subject.file);
if (failed.length > 0) {
  console.error(`over the target: ${failed.join(', ')}`);
  process.exitCode = 1;
}

/** Measures one model and prints it; whether the target holds. */
async function measure({ file, epsilon, layers, preset, target }: Subject): Promise<boolean> {
  const bytes = readFileSync(`${sharedFolder}models/${file}`);
  const noise = [{ family: 'gaussian', epsilon, rows: 256, copies: noiseCopies }];
  const tapped = layers === 'found' ? layerTensors(bytes, layersMost) : layers;
  const taps = tapped.map((tensor) => ({ kind: 'layer', tensor }));
  const transforms = transformPresets[preset];
  const underNoise = [
    await bareForward(bytes, noiseCopies + 1),
    await fused(bytes, { name: 'fused, logits', plan: planOf({ noise }) }),
    await fused(bytes, { name: `fused, ${tapped.length} layer taps`, plan: planOf({ noise, taps }) }),
  ];
  const underTransforms = [
    await bareForward(bytes, transforms.length + 1),
    await fused(bytes, { name: `fused, ${preset}`, plan: planOf({ transforms }) }),
    await bareForward(bytes, 1),
  ];
  const times = await interleave([...underNoise, ...underTransforms]);
  console.log(`\n${file} (targets ${target} for the logits, ${tapsTarget} with layer taps)`);
  const [, logits, layerTaps] = printTimes(underNoise, times.slice(0, underNoise.length));
  printTimes(underTransforms, times.slice(underNoise.length));
  return logits <= target && layerTaps <= tapsTarget;
}

/** Prints times relative to those of the first contender; the median ratio of each. */
function printTimes(contenders: readonly Contender[], times: readonly number[][]): number[] {
  const [base] = times;
  const medians: number[] = [];
  for (const [index, { name }] of contenders.entries()) {
    const ratios = times[index].map((time, round) => time / base[round]);
    medians.push(quantile(ratios, 0.5));
    const best = (Math.min(...times[index]) / Math.min(...base)).toFixed(2);
    console.log(
      `  ${name.padEnd(22)} ${summary(times[index], 3)} ms   x ${summary(ratios, 2)}   best x ${best}`,
    );
  }
  return medians;
}

function planOf(parts: object): ExtractionPlan {
  return extractionPlanSchema.parse({ input_range: [0, 1], noise: [], taps: [], ...parts });
}

/** The protected model as it is, on a batch of as many rows as the fused graph makes. */
async function bareForward(bytes: Uint8Array, rows: number): Promise<Contender> {
  const session = await open(bytes);
  const [input] = session.inputMetadata;
  if (!input.isTensor) throw new Error('the input is not a tensor');
  const shape = input.shape.slice(1).map(Number);
  const batch = new ort.Tensor('float32', randomInput(rows * elementCount(shape)), [rows, ...shape]);
  return { name: `bare, ${rows} rows`, run: () => session.run({ [input.name]: batch }) };
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
  const input = { x: new ort.Tensor('float32', x, [1, ...shape]) };
  if (planNoiseCopies(plan) === 0) return { name, run: () => session.run(input) };
  const noiseShape = [1, planNoiseCopies(plan)];
  const feeds = {
    ...input,
    noise_rows: new ort.Tensor('int64', BigInt64Array.from(rows, BigInt), noiseShape),
    noise_signs: new ort.Tensor('float32', Float32Array.from(signs), noiseShape),
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

/** Milliseconds of processor a run of each contender, [contenders][rounds]; all take their turn in every round. */
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
  // Of the processor: what others do on it at the same time does not count.
  const start = process.cpuUsage();
  for (let count = 0; count < runs; count++) await run();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1_000 / runs;
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

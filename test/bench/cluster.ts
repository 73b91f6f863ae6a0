// Memory and time of screening synthetic vectors in 1,000 classes, 100,000 and 1,000,000 of them, each in a process of its own.
import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism, cpus } from 'node:os';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { screenClusters } from '../../shared/clustering/screen-clusters.ts';
import { syntheticClasses } from '../helpers/synthetic-classes.ts';

const classes = 1_000;
const neurons = 64;
/** A tenth of every hundredth class is poison: ten examples at the smaller size, whose labels cannot spread over the classes enough to be named. */
const poison = Object.fromEntries(Array.from({ length: classes / 100 }, (_, index) => [100 * index, 0.1]));
const counts = [100_000, 1_000_000];
/** What an isolate of the platform may hold. */
const memoryMbMax = 128;
const linearRatioMax = 1.3;

/** What a process measured of itself. */
interface Measurement {
  readonly screenMs: number;
  readonly readMs: number;
  /** Largest size of the heap and the buffers beside it, sampled at each class. */
  readonly heldMb: number;
  /** Largest resident size of the process, its code and Node itself included. */
  readonly residentMb: number;
  readonly poisoned: readonly number[];
}

if (process.argv[2] === 'measure') process.send!(await measure(Number(process.argv[3])));
else await compare();

/** Screens one set; drawing the vectors is timed apart, for it stands for reading them from a store. */
async function measure(count: number): Promise<Measurement> {
  const perClass = Array.from({ length: classes }, () => count / classes);
  const source = syntheticClasses({ classes, neurons, counts: perClass, poison });
  let [readMs, held] = [0, 0];
  const read = (label: number) => {
    const start = performance.now();
    const examples = source.read(label);
    readMs += performance.now() - start;
    return examples;
  };
  const watch = () => {
    const { heapUsed, external } = process.memoryUsage();
    held = Math.max(held, heapUsed + external);
  };
  const start = performance.now();
  const { poisoned } = await screenClusters({ ...source, read }, { seed: 1, onClass: watch });
  const screenMs = performance.now() - start - readMs;
  const residentMb = process.resourceUsage().maxRSS / 1024;
  return { screenMs, readMs, heldMb: held / 2 ** 20, residentMb, poisoned };
}

async function compare(): Promise<void> {
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  console.log(
    `${cpus()[0].model}, ${availableParallelism()} cores, Node ${process.version}, commit ${commit}`,
  );
  console.log(
    `${neurons}-float vectors in ${classes} classes, screened on one thread; heap limited to 64 MB`,
  );
  const measured: Measurement[] = [];
  for (const count of counts) {
    const result = await measureApart(count);
    measured.push(result);
    console.log(
      `  ${count} vectors: ${(result.screenMs / 1000).toFixed(1)} s (drawing them ${(result.readMs / 1000).toFixed(1)} s more), ` +
        `held ${result.heldMb.toFixed(0)} MB, resident ${result.residentMb.toFixed(0)} MB, ${result.poisoned.length} classes named`,
    );
  }
  const [few, many] = measured;
  const ratio = many.screenMs / few.screenMs / (counts[1] / counts[0]);
  const named = many.poisoned.join() === Object.keys(poison).join();
  console.log(`time relative to linear: ${ratio.toFixed(2)} (at most ${linearRatioMax})`);
  console.log(`exactly the poisoned classes named at the larger size: ${named ? 'yes' : 'no'}`);
  const heldMb = Math.max(few.heldMb, many.heldMb);
  if (ratio > linearRatioMax || heldMb > memoryMbMax || !named) process.exitCode = 1;
}

/** Runs one measurement in a fresh process, whose young and old heap are kept small as an isolate's would be. */
async function measureApart(count: number): Promise<Measurement> {
  const child = fork(fileURLToPath(import.meta.url), ['measure', String(count)], {
    execArgv: ['--max-old-space-size=64', '--max-semi-space-size=4'],
  });
  const [measurement] = (await once(child, 'message')) as [Measurement];
  return measurement;
}

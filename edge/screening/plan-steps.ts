// How a job is cut into steps: a Workflow takes a thousand of them, an isolate so many bytes.
import { largeShardExamplesMax, shardBytesMax, shardExamplesMax } from '../../shared/limits.ts';
import { exampleBlockBytes } from '../../shared/screening/class-blocks.ts';
import { imageBytes, type UploadDescription } from '../../shared/uploads/upload.ts';
import type { JobHold } from './job-store.ts';
import { requireGraph } from './require-graph.ts';
import type { ScreeningServices } from './screening-services.ts';
import type { StoredClass } from './shard-store.ts';

/** Steps that extraction and judging are cut into at most: together with the others they stay under Workflows' 1,024. */
const stepsMax = 256;
/** Examples that one step of judging takes before the next begins: some seconds of computing. */
const judgedExamplesMin = 4_096;
/** Bytes of vectors that are gathered at once; a larger class is gathered alone. */
const gatheredBytesMax = 24 * 1024 * 1024;

/** Shards that a job has at least, where they are not smaller than a request for that: a killed run loses those it is at. */
const shardsLeast = 16;

/** Steps of extraction that run at once: each holds a shard in memory, and the gpu-worker has a queue of four batches. */
export const extractionsAtOnce = 3;

/** Shards or classes from one up to, but not, another. */
export interface StepRange {
  readonly from: number;
  readonly to: number;
}

/**
 * Examples of a shard of a data set of about so many: whole requests, more of them the larger the set is, so that the gpu-worker is sent
 * the same batches however large the shards are. Files differ in size: only of pixels is it known how many fit.
 */
export function planShardExamples({
  examples,
  datatype,
  shape,
}: Pick<UploadDescription, 'examples' | 'datatype' | 'shape'>): number {
  if (datatype === 'files' || shape === undefined) return shardExamplesMax;
  const wanted = Math.ceil(examples / shardsLeast / shardExamplesMax);
  const fitting = Math.floor(shardBytesMax / imageBytes({ shape, datatype }) / shardExamplesMax);
  const requests = Math.max(1, Math.min(wanted, fitting));
  return Math.min(requests * shardExamplesMax, largeShardExamplesMax);
}

/** The shards that each step of extraction takes. */
export function planShardGroups(shards: number): StepRange[] {
  const size = Math.ceil(shards / stepsMax);
  return Array.from({ length: Math.ceil(shards / size) }, (_, group) => {
    return { from: group * size, to: Math.min(shards, (group + 1) * size) };
  });
}

/** Which classes, by their places in the ascending order, are gathered at once. */
export function planGathering(classes: readonly StoredClass[], neurons: number): StepRange[] {
  return cut(classes, Math.floor(gatheredBytesMax / exampleBlockBytes(neurons)));
}

/** Classes that one step judges, and where they were gathered. */
export interface JudgingRange extends StepRange {
  /** The group of gathering that they all are of. */
  readonly group: number;
  /** Examples of that group's classes before them. */
  readonly examplesBefore: number;
}

/** Which classes, by their places in the ascending order, one step judges: all of one group of gathering, so that one range has them. */
export function planJudging(classes: readonly StoredClass[], neurons: number): JudgingRange[] {
  const examplesMax = Math.max(judgedExamplesMin, Math.ceil((2 * examplesOf(classes)) / stepsMax));
  return planGathering(classes, neurons).flatMap((gathered, group) =>
    cut(classes.slice(gathered.from, gathered.to), examplesMax).map(({ from, to }) => {
      const range = { from: gathered.from + from, to: gathered.from + to };
      return { ...range, group, examplesBefore: examplesOf(classes.slice(gathered.from, range.from)) };
    }),
  );
}

function examplesOf(classes: readonly StoredClass[]): number {
  return classes.reduce((sum, { examples }) => sum + examples, 0);
}

/** How many steps gathering and judging take. */
export async function planClassGroups(hold: JobHold, { jobs, shards }: ScreeningServices) {
  const { neurons } = await requireGraph(hold, jobs);
  const classes = await shards.classes(hold.job);
  return { gather: planGathering(classes, neurons).length, judge: planJudging(classes, neurons).length };
}

/** Neighbouring classes of together at most so many examples; a larger class is alone. */
function cut(classes: readonly StoredClass[], examplesMax: number): StepRange[] {
  const ranges: StepRange[] = [];
  let [from, examples] = [0, 0];
  for (const [place, one] of classes.entries()) {
    if (place > from && examples + one.examples > examplesMax) {
      ranges.push({ from, to: place });
      [from, examples] = [place, 0];
    }
    examples += one.examples;
  }
  if (classes.length > from) ranges.push({ from, to: classes.length });
  return ranges;
}

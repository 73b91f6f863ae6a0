// How a job is cut into steps: a Workflow takes a thousand of them, an isolate so many bytes.
import { exampleBlockBytes } from '../../shared/screening/class-blocks.ts';
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

/** Shards of a step of extraction where there are enough: a step costs as much as some calls of D1. */
const shardsMin = 4;

/** Steps of extraction that run at once: each holds a shard in memory, and the gpu-worker has a queue of four batches. */
export const extractionsAtOnce = 3;

/** Shards or classes from one up to, but not, another. */
export interface StepRange {
  readonly from: number;
  readonly to: number;
}

/** The shards that each step of extraction takes. */
export function planShardGroups(shards: number): StepRange[] {
  const size = Math.min(
    Math.max(shardsMin, Math.ceil(shards / stepsMax)),
    Math.max(1, Math.ceil(shards / extractionsAtOnce)),
  );
  return Array.from({ length: Math.ceil(shards / size) }, (_, group) => {
    return { from: group * size, to: Math.min(shards, (group + 1) * size) };
  });
}

/** Which classes, by their places in the ascending order, are gathered at once. */
export function planGathering(classes: readonly StoredClass[], neurons: number): StepRange[] {
  return cut(classes, Math.floor(gatheredBytesMax / exampleBlockBytes(neurons)));
}

/** Which classes, by their places in the ascending order, one step judges. */
export function planJudging(classes: readonly StoredClass[]): StepRange[] {
  const examples = classes.reduce((sum, one) => sum + one.examples, 0);
  return cut(classes, Math.max(judgedExamplesMin, Math.ceil((2 * examples) / stepsMax)));
}

/** How many steps gathering and judging take. */
export async function planClassGroups(hold: JobHold, { jobs, shards }: ScreeningServices) {
  const { neurons } = await requireGraph(hold, jobs);
  const classes = await shards.classes(hold.job);
  return { gather: planGathering(classes, neurons).length, judge: planJudging(classes).length };
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

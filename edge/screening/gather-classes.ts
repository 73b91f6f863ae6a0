// Fourth step: the vectors of some classes out of all shards in one object, and what the classes so far say of the spread.
import {
  addClass,
  emptyPool,
  type PooledCovariance,
  whiteningOf,
} from '../../shared/clustering/pooled-whitening.ts';
import { requireExamples } from '../../shared/clustering/screen-class.ts';
import { blocksRange, gatherBlocks, readBlocks } from '../../shared/screening/class-blocks.ts';
import { readPool, writePool } from '../../shared/screening/pool-bytes.ts';
import { objectKeys } from './job-objects.ts';
import type { JobHold } from './job-store.ts';
import { planGathering } from './plan-steps.ts';
import { requireGraph } from './require-graph.ts';
import type { ScreeningServices } from './screening-services.ts';
import type { StoredShard } from './shard-store.ts';

/** Objects that are read at once: Workers have six connections. */
const readsAtOnce = 4;

/** Gathers one group of classes. The groups follow each other; with the last one the whitening is there. */
export async function gatherClasses(
  hold: JobHold,
  { group, services }: { group: number; services: ScreeningServices },
): Promise<{ classes: number }> {
  const { jobs, shards, objects } = services;
  const { job } = hold;
  await jobs.keep(hold, { stage: 'gather' });
  const { neurons, classes } = await requireGraph(hold, jobs);
  const stored = await shards.classes(job);
  const ranges = planGathering(stored, neurons);
  const { from, to } = ranges[group];
  const wanted = stored.slice(from, to).map(({ label, examples }) => [label, examples] as const);
  const gatherer = gatherBlocks(wanted, neurons);
  const labels = { from: wanted[0][0], to: wanted[wanted.length - 1][0] + 1, neurons };
  const all = await shards.list(job);
  for (let first = 0; first < all.length; first += readsAtOnce) {
    const read = async ({ shard, labels: counts }: StoredShard) => {
      const { counts: inRange, ...range } = blocksRange(counts, labels);
      if (range.length === 0) return undefined;
      return { bytes: await objects.read(objectKeys.vectors(job, shard), range), inRange };
    };
    for (const part of await Promise.all(all.slice(first, first + readsAtOnce).map(read))) {
      if (part !== undefined) gatherer.add(part.bytes, part.inRange);
    }
    if (first % 64 === 0) await jobs.keep(hold);
  }
  const pool = await poolBefore(job, { group, neurons, services });
  const bytes = gatherer.bytes();
  for (const [label, examples] of readBlocks(bytes, wanted, neurons)) {
    requireExamples(examples, { label, classes, neurons });
    addClass(pool, examples.vectors);
  }
  await objects.write(objectKeys.gathered(job, group), bytes);
  await objects.write(objectKeys.pool(job, group), writePool(pool));
  if (group === ranges.length - 1) {
    await jobs.keep(hold);
    await objects.write(objectKeys.whitening(job), new Uint8Array(whiteningOf(pool).buffer as ArrayBuffer));
  }
  return { classes: wanted.length };
}

async function poolBefore(
  job: string,
  { group, neurons, services }: { group: number; neurons: number; services: ScreeningServices },
): Promise<PooledCovariance> {
  if (group === 0) return emptyPool(neurons);
  return readPool(await services.objects.read(objectKeys.pool(job, group - 1)), neurons);
}

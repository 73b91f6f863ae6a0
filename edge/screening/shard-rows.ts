// The examples of a shard: where the upload has them byte for byte they are read there, else out of an object of their own.
import { filesOfFormat, type ScreeningRequest } from '../../shared/contracts/screening-job.ts';
import { shardExamplesMax } from '../../shared/limits.ts';
import { openDirectRows } from '../../shared/uploads/direct-rows.ts';
import { readShard, writeShard } from '../../shared/uploads/shard.ts';
import type { ExampleBatch, UploadOptions } from '../../shared/uploads/upload.ts';
import type { ScreeningGraph } from '../clients/screening-extractor.ts';
import { objectKeys } from './job-objects.ts';
import type { JobHold } from './job-store.ts';
import { requireGraph, requireJob } from './require-graph.ts';
import type { ScreeningServices } from './screening-services.ts';
import type { StoredShard } from './shard-store.ts';

/** The shards of a job. */
export interface ShardRows {
  /** Sees to it that a shard that was just read can be read again. */
  keep(shard: number, batch: ExampleBatch): Promise<void>;
  read(shard: Pick<StoredShard, 'shard' | 'firstRow' | 'examples'>): Promise<ExampleBatch>;
}

/** The shards of one run of a job; the upload's headers are read once a run, not once a step. */
export function shardRows(hold: JobHold, { jobs, objects }: ScreeningServices): ShardRows {
  const { job } = hold;
  const open = async () => {
    const { request } = await requireJob(hold, jobs);
    const graph = await requireGraph(hold, jobs);
    const files = filesOfFormat[request.format].map(async (name) => {
      return { name, source: await objects.source(objectKeys.upload(job, name)) };
    });
    return openDirectRows(await Promise.all(files), uploadOptions(request, graph));
  };
  let opening: ReturnType<typeof open> | undefined;
  const direct = () => {
    opening ??= open();
    // What failed once is tried again.
    opening.catch(() => (opening = undefined));
    return opening;
  };
  return {
    async keep(shard, batch) {
      if ((await direct()) === undefined)
        await objects.write(objectKeys.shard(job, shard), writeShard(batch));
    },
    async read({ shard, firstRow, examples }) {
      const rows = await direct();
      if (rows !== undefined) return rows.read({ firstRow, examples });
      return readShard(await objects.read(objectKeys.shard(job, shard)));
    },
  };
}

/** How the upload of a job is read. */
export function uploadOptions(
  { format, options }: ScreeningRequest,
  { classes, inputShape, inputRange }: ScreeningGraph,
): UploadOptions {
  const { layout, arrays, pixel_range: pixelRange = inputRange, cifar_classes: cifarClasses } = options;
  return {
    format,
    batch: shardExamplesMax,
    classes,
    shape: inputShape,
    ...(layout === undefined ? {} : { layout }),
    ...(arrays === undefined ? {} : { arrays }),
    ...(pixelRange === undefined ? {} : { pixelRange }),
    ...(cifarClasses === undefined ? {} : { cifarClasses }),
  };
}

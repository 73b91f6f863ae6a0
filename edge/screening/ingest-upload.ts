// Second step: reads the upload once, front to back, into shards.
import { requireClasses } from '../../shared/clustering/screen-clusters.ts';
import { filesOfFormat, type ScreeningRequest } from '../../shared/contracts/screening-job.ts';
import { GuardError } from '../../shared/errors.ts';
import { shardExamplesMax } from '../../shared/limits.ts';
import { sha256Digest, toHex } from '../../shared/noise/noise-key.ts';
import { addCounts, countLabels } from '../../shared/screening/class-blocks.ts';
import { readUpload } from '../../shared/uploads/read-upload.ts';
import { writeShard } from '../../shared/uploads/shard.ts';
import type { UploadOptions, UploadSummary } from '../../shared/uploads/upload.ts';
import type { ScreeningGraph } from '../clients/screening-extractor.ts';
import { type JobObjects, objectKeys } from './job-objects.ts';
import type { JobHold } from './job-store.ts';
import { requireGraph, requireJob } from './require-graph.ts';
import type { ScreeningServices } from './screening-services.ts';

/** A digest that is fed by a stream: workerd's own, which computes beside the isolate. */
interface DigestStream extends WritableStream<Uint8Array> {
  readonly digest: Promise<ArrayBuffer>;
}

/**
 * Reads the upload. What an earlier try wrote is read over and not written again.
 * @throws GuardError `invalid_dataset` or `body_too_large`, naming the place
 */
export async function ingestUpload(hold: JobHold, services: ScreeningServices): Promise<{ shards: number }> {
  const { jobs, shards, objects } = services;
  const { job } = hold;
  const { request, examples: knownExamples } = await requireJob(hold, jobs);
  const written = await shards.list(job);
  if (knownExamples !== null) return { shards: written.length };
  await jobs.keep(hold, { stage: 'ingest' });
  const graph = await requireGraph(hold, jobs);
  const files = await Promise.all(
    filesOfFormat[request.format].map(async (name) => {
      return { name, source: await objects.source(objectKeys.upload(job, name)) };
    }),
  );
  const digest = await datasetDigest(job, { names: filesOfFormat[request.format], objects });
  const firstRow = written.reduce((sum, { examples }) => sum + examples, 0);
  const batches = readUpload(files, uploadOptions(request, { graph, firstRow }));
  let shard = written.length;
  let summary: UploadSummary;
  for (;;) {
    const { done, value } = await batches.next();
    if (done) {
      summary = value;
      break;
    }
    await objects.write(objectKeys.shard(job, shard), writeShard(value));
    const read = { shard, examples: value.labels.length, labels: countLabels(value.labels) };
    await jobs.keep(hold, {}, [shards.put(job, read)]);
    shard++;
  }
  const counts = addCounts((await shards.list(job)).map(({ labels }) => labels));
  requireClasses({ classes: graph.classes, labels: counts.map(([label]) => label) });
  await shards.putClasses(job, counts);
  await jobs.keep(hold, {
    examples: summary.examples,
    datasetDigest: digest,
    stage: 'extract',
    ...(summary.classNames === undefined ? {} : { classNames: summary.classNames }),
  });
  return { shards: shard };
}

function uploadOptions(
  { format, options }: ScreeningRequest,
  { graph, firstRow }: { graph: ScreeningGraph; firstRow: number },
): UploadOptions {
  const { layout, arrays, pixel_range: pixelRange, cifar_classes: cifarClasses } = options;
  return {
    format,
    batch: shardExamplesMax,
    classes: graph.classes,
    shape: graph.inputShape,
    firstRow,
    ...(layout === undefined ? {} : { layout }),
    ...(arrays === undefined ? {} : { arrays }),
    ...(pixelRange === undefined ? {} : { pixelRange }),
    ...(cifarClasses === undefined ? {} : { cifarClasses }),
  };
}

/** Of one file the digest of its bytes; of several that of their names and digests. */
async function datasetDigest(
  job: string,
  { names, objects }: { names: readonly string[]; objects: JobObjects },
): Promise<string> {
  const digests: string[] = [];
  for (const name of names) digests.push(await objectDigest(objectKeys.upload(job, name), objects));
  if (digests.length === 1) return digests[0];
  const listed = names.map((name, index) => `${name} ${digests[index]}\n`).join('');
  return sha256Digest(new TextEncoder().encode(listed));
}

/** The bytes go from R2 into the digest without passing through the isolate. */
async function objectDigest(key: string, objects: JobObjects): Promise<string> {
  const { DigestStream } = crypto as unknown as { DigestStream: new (algorithm: string) => DigestStream };
  const stream = new DigestStream('SHA-256');
  const bytes = await objects.open(key);
  if (bytes === undefined) throw new GuardError('internal', `the object ${key} is gone`);
  await bytes.pipeTo(stream);
  return `sha256:${toHex(new Uint8Array(await stream.digest))}`;
}

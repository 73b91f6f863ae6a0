// Second step: reads the upload once, front to back, into shards, and has those extracted for which there is room.
import { requireClasses } from '../../shared/clustering/screen-clusters.ts';
import { filesOfFormat } from '../../shared/contracts/screening-job.ts';
import { sha256Digest } from '../../shared/noise/noise-key.ts';
import { addCounts, countLabels } from '../../shared/screening/class-blocks.ts';
import { describeUpload } from '../../shared/uploads/describe-upload.ts';
import { readUpload } from '../../shared/uploads/read-upload.ts';
import type { UploadSummary } from '../../shared/uploads/upload.ts';
import type { ScreeningGraph } from '../clients/screening-extractor.ts';
import { type DigestedSource, digestedSource } from './digested-source.ts';
import { extractionBeside } from './extract-shards.ts';
import { objectKeys } from './job-objects.ts';
import type { JobHold } from './job-store.ts';
import { planShardExamples } from './plan-steps.ts';
import { requireGraph, requireJob } from './require-graph.ts';
import type { ScreeningServices } from './screening-services.ts';
import { type ShardRows, uploadOptions } from './shard-rows.ts';

/**
 * Reads the upload. What an earlier try wrote is read over and not written again.
 * @throws GuardError `invalid_dataset` or `body_too_large`, naming the place
 */
export async function ingestUpload(
  hold: JobHold,
  { rows, services }: { rows: ShardRows; services: ScreeningServices },
): Promise<{ shards: number }> {
  const { jobs, shards, objects } = services;
  const { job } = hold;
  const { request, examples: knownExamples } = await requireJob(hold, jobs);
  const written = await shards.list(job);
  if (knownExamples !== null) return { shards: written.length };
  await jobs.keep(hold, { stage: 'ingest' });
  const graph = await requireGraph(hold, jobs);
  const files = await Promise.all(
    filesOfFormat[request.format].map(async (name) => {
      return { name, ...(await digestedSource(objectKeys.upload(job, name), objects)) };
    }),
  );
  const firstRow = written.reduce((sum, { examples }) => sum + examples, 0);
  const reading = uploadOptions(request, graph);
  const batch = planShardExamples(await describeUpload(files, reading));
  const batches = readUpload(files, { ...reading, batch, firstRow });
  const beside = extractionBeside(hold, { graph, services });
  let shard = written.length;
  try {
    for (;;) {
      const { done, value } = await batches.next();
      if (done) {
        await keepWhole(hold, { summary: value, graph, digest: await datasetDigest(files), services });
        return { shards: shard };
      }
      await rows.keep(shard, value);
      const read = { shard, examples: value.labels.length, labels: countLabels(value.labels) };
      await jobs.keep(hold, {}, [shards.put(job, read)]);
      await beside.offer(shard, value);
      shard++;
    }
  } finally {
    await beside.settled();
  }
}

interface WholeUpload {
  readonly summary: UploadSummary;
  readonly graph: ScreeningGraph;
  readonly digest: string;
  readonly services: ScreeningServices;
}

/** Writes down what an upload is, now that all of it was read. */
async function keepWhole(
  hold: JobHold,
  { summary, graph, digest, services: { jobs, shards } }: WholeUpload,
): Promise<void> {
  const { job } = hold;
  const counts = addCounts((await shards.list(job)).map(({ labels }) => labels));
  requireClasses({ classes: graph.classes, labels: counts.map(([label]) => label) });
  await shards.putClasses(job, counts);
  await jobs.keep(hold, {
    examples: summary.examples,
    datasetDigest: digest,
    stage: 'extract',
    ...(summary.classNames === undefined ? {} : { classNames: summary.classNames }),
  });
}

/** Of one file the digest of its bytes; of several that of their names and digests. */
async function datasetDigest(
  files: readonly (Pick<DigestedSource, 'digest'> & { readonly name: string })[],
): Promise<string> {
  const digests: string[] = [];
  for (const { digest } of files) digests.push(await digest());
  if (digests.length === 1) return digests[0];
  const listed = files.map(({ name }, index) => `${name} ${digests[index]}\n`).join('');
  return sha256Digest(new TextEncoder().encode(listed));
}

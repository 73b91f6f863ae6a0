// A job as its owner sees it: state, counts, and an estimate that only measured time goes into.
import { hasEnded, type ScreeningJob } from '../../shared/contracts/screening-job.ts';
import type { StoredJob } from './job-store.ts';
import type { ScreeningServices } from './screening-services.ts';
import type { JobCounts } from './shard-store.ts';

/** Describes a job that is not deleted. */
export async function describeJob(
  job: StoredJob,
  { shards, uploads }: Pick<ScreeningServices, 'shards' | 'uploads'>,
): Promise<ScreeningJob> {
  const { state, request } = job;
  const counts = await shards.counts(job.id);
  return {
    id: job.id,
    state: state === 'deleted' ? 'cancelled' : state,
    stage: job.stage,
    created_at: job.createdAt,
    updated_at: job.updatedAt,
    model: request.model,
    format: request.format,
    dataset: request.dataset ?? null,
    options: request.options,
    webhook: request.webhook ?? null,
    upload: state === 'uploading' ? await uploads.summary(job.id) : [],
    dataset_digest: job.datasetDigest,
    counts: {
      examples: job.examples,
      examples_read: counts.examplesRead,
      examples_extracted: counts.examplesExtracted,
      classes: job.examples === null ? null : counts.classes,
      classes_judged: counts.classesJudged,
    },
    remaining_seconds: remainingSeconds(job, counts),
    poisoned: job.poisoned === null ? null : [...job.poisoned],
    failure: job.failure,
  };
}

/** Of extraction alone, which takes nearly all of the time; null before two shards were timed, and when it is over. */
function remainingSeconds(
  { state, examples }: StoredJob,
  { examplesExtracted, lastExtracted: last }: JobCounts,
): number | null {
  if (state === 'deleted' || hasEnded(state) || examples === null) return null;
  const left = examples - examplesExtracted;
  if (left === 0 || last.length < 2) return null;
  const seconds = (last[0].extractedAt - last[last.length - 1].extractedAt) / 1_000;
  // The first of them was under way before the clock of this measurement began.
  const measured = last.slice(0, -1).reduce((sum, shard) => sum + shard.examples, 0);
  return seconds <= 0 ? null : Math.round((10 * left * seconds) / measured) / 10;
}

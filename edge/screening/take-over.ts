// Runs that ended without a word are followed by another one, and what a deleted job left behind is removed.
import { GuardError } from '../../shared/errors.ts';
import { log } from '../../shared/log.ts';
import { problemOf } from '../../shared/problem-response.ts';
import { objectKeys } from './job-objects.ts';
import type { ScreeningServices } from './screening-services.ts';

/** Runs of one job: a job that ends every run that it gets is not to go on for ever. */
const runsMax = 100;
/** Jobs that one sweep looks after. */
const sweptJobsMax = 100;

/** Starts a run of a job whose last one says nothing any more; the run of a job that lives is left alone. */
export async function takeOver(job: string, { jobs, startRun }: ScreeningServices): Promise<void> {
  const generation = await jobs.takeOver(job);
  if (generation === undefined) return;
  const hold = { job, generation };
  if (generation > runsMax) {
    const error = new GuardError('internal', `the screening broke off ${runsMax} times`);
    log('error', 'screening.given_up', { job, error });
    await jobs.keepIfOurs(hold, { state: 'failed', stage: null, failure: problemOf(error) });
    return;
  }
  if (generation > 1) log('warn', 'screening.taken_over', { job, generation });
  await startRun(hold);
}

/** Removes what a job stored. Its mark stays until nothing can write for it any more. */
export async function removeJob(job: string, services: ScreeningServices): Promise<void> {
  const { jobs, uploads, objects } = services;
  const stored = await jobs.read(job);
  await jobs.markDeleted(job);
  if (stored !== undefined) await services.stopRun({ job, generation: stored.generation });
  for (const { file, uploadId } of await uploads.files(job)) {
    await objects.abortUpload(objectKeys.upload(job, file), uploadId);
  }
  await objects.removeAll(job);
  await jobs.removeRows(job, { mark: false });
}

/** Removes what a run may have written for a job that was deleted under it. */
export async function removeRemains(
  job: string,
  { jobs, objects }: Pick<ScreeningServices, 'jobs' | 'objects'>,
): Promise<void> {
  if ((await jobs.read(job))?.state !== 'deleted') return;
  await objects.removeAll(job);
  await jobs.removeRows(job, { mark: false });
}

/** Looks after all jobs: to be called at the start and every minute. */
export async function sweepJobs(services: ScreeningServices): Promise<void> {
  const { jobs, objects } = services;
  for (const { id, state } of await jobs.stalled(sweptJobsMax)) {
    if (state !== 'deleted') await takeOver(id, services);
    else {
      await objects.removeAll(id);
      await jobs.removeRows(id, { mark: true });
    }
  }
}

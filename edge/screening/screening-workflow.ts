// One run of a screening job: all of its control flow. Whatever a step wrote, it writes the same again, so a run may end anywhere.
import { asGuardError, type ErrorCode, GuardError } from '../../shared/errors.ts';
import { log } from '../../shared/log.ts';
import { problemOf } from '../../shared/problem-response.ts';
import type { StepBounds, WorkflowStep } from '../bindings.ts';
import { composeJobReport } from './compose-job-report.ts';
import { extractShards } from './extract-shards.ts';
import { gatherClasses } from './gather-classes.ts';
import { ingestUpload } from './ingest-upload.ts';
import { type JobHold, JobLost } from './job-store.ts';
import { judgeClasses } from './judge-classes.ts';
import { notifyEnd } from './notify-end.ts';
import { extractionsAtOnce, planClassGroups, planShardGroups } from './plan-steps.ts';
import type { ScreeningServices } from './screening-services.ts';
import { settleGraph } from './settle-graph.ts';
import { shardRows } from './shard-rows.ts';
import { removeRemains } from './take-over.ts';

/** A step is tried six times over about a minute; one try may take ten minutes. */
const bounds: StepBounds = {
  retries: { limit: 5, delay: 2_000, backoff: 'exponential' },
  timeout: 600_000,
};

/** Errors that no further try mends. */
const finalErrors: readonly ErrorCode[] = [
  'invalid_dataset',
  'invalid_input',
  'invalid_model',
  'body_too_large',
  'unknown_model',
  'unsupported_media_type',
  'conflict',
  'bad_extractor_reply',
  'extractor_unauthorized',
];

/** A step of this run; undefined where the job is not this run's any more. */
type RunStep = <T>(name: string, run: () => Promise<T>) => Promise<T | undefined>;

/**
 * Runs a job to its end, or until it is not this run's any more: cancelled, deleted, failed, or taken over.
 * Steps give counts; everything else lies in R2 and D1.
 */
export async function runScreening(
  hold: JobHold,
  { step, services }: { step: WorkflowStep; services: ScreeningServices },
): Promise<void> {
  const runStep: RunStep = async (name, run) => {
    const outcome = await step.do(name, bounds, () => tryStep(run, { hold, services }));
    return 'lost' in outcome ? undefined : outcome.done;
  };
  try {
    await runSteps(hold, { runStep, services });
  } catch (thrown) {
    // The last try of a step has failed, and what it said stands in D1; or the run itself was stopped, and then this fails too.
    await step.do('fail', bounds, () => failWithLastError(hold, { services, thrown }));
  }
  await notifyEnd(hold, { step, services });
}

async function runSteps(
  hold: JobHold,
  { runStep, services }: { runStep: RunStep; services: ScreeningServices },
): Promise<void> {
  const rows = shardRows(hold, services);
  const settled = await runStep('settle graph', () => settleGraph(hold, services));
  if (settled === undefined) return;
  const read = await runStep('ingest', () => ingestUpload(hold, { rows, services }));
  if (read === undefined) return;
  const shardGroups = planShardGroups(read.shards);
  const extracted = await eachAtOnce(shardGroups, extractionsAtOnce, (group) =>
    runStep(`extract ${group.from} to ${group.to - 1}`, () => extractShards(hold, { group, rows, services })),
  );
  if (extracted.includes(undefined)) return;
  const groups = await runStep('plan classes', () => planClassGroups(hold, services));
  if (groups === undefined) return;
  // One after the other: the covariance is summed up in the order of the classes, and sums of floats depend on it.
  for (let group = 0; group < groups.gather; group++) {
    const gathered = await runStep(`gather ${group}`, () => gatherClasses(hold, { group, services }));
    if (gathered === undefined) return;
  }
  for (let group = 0; group < groups.judge; group++) {
    const judged = await runStep(`judge ${group}`, () => judgeClasses(hold, { group, services }));
    if (judged === undefined) return;
  }
  await runStep('report', () => composeJobReport(hold, { rows, services }));
}

/** What a step gives to the Workflow, which keeps it: null cannot be told from nothing on all of its ways. */
type StepOutcome<T> = { readonly done: T } | { readonly lost: true };

/** Tries a step once. What no further try mends ends the job here; of anything else the last words are kept. */
async function tryStep<T>(
  run: () => Promise<T>,
  { hold, services }: { hold: JobHold; services: ScreeningServices },
): Promise<StepOutcome<T>> {
  try {
    await services.jobs.keep(hold);
    return { done: await run() };
  } catch (thrown) {
    if (thrown instanceof JobLost) {
      await removeRemains(hold.job, services);
      return { lost: true };
    }
    const error = asGuardError(thrown);
    const failure = problemOf(error);
    log('warn', 'screening.step_failure', { job: hold.job, generation: hold.generation, error });
    const isFinal = finalErrors.includes(error.code);
    const changes = isFinal ? ({ state: 'failed', stage: null, failure } as const) : { lastError: failure };
    if (!(await services.jobs.keepIfOurs(hold, changes)) || isFinal) return { lost: true };
    throw thrown;
  }
}

async function failWithLastError(
  hold: JobHold,
  { services, thrown }: { services: ScreeningServices; thrown: unknown },
): Promise<boolean> {
  const job = await services.jobs.read(hold.job);
  const cause = new GuardError('internal', 'a step of the screening failed', { cause: thrown });
  const failure = job?.lastError ?? problemOf(cause);
  return services.jobs.keepIfOurs(hold, { state: 'failed', stage: null, failure });
}

/** Maps a list with so many at once, in order. */
async function eachAtOnce<T, R>(
  items: readonly T[],
  atOnce: number,
  run: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const work = async () => {
    while (next < items.length) {
      const index = next++;
      results[index] = await run(items[index]);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, work));
  return results;
}

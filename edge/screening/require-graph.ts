// The graph that a job extracts with, where it was settled before.
import { assert } from '../../shared/assert.ts';
import type { ScreeningGraph } from '../clients/screening-extractor.ts';
import { type JobHold, JobLost, type JobStore, type StoredJob } from './job-store.ts';

/** @throws JobLost where the job is gone */
export async function requireJob({ job }: JobHold, jobs: JobStore): Promise<StoredJob> {
  const stored = await jobs.read(job);
  if (stored === undefined) throw new JobLost(`job ${job} is gone`);
  return stored;
}

/** @throws JobLost where the job is gone */
export async function requireGraph(hold: JobHold, jobs: JobStore): Promise<ScreeningGraph> {
  const { graph } = await requireJob(hold, jobs);
  assert(graph !== null, 'the graph is settled before anything is extracted');
  return graph;
}

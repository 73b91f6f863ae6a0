// First step: which graph the job extracts with. It is settled once; another one that is served later is refused.
import { GuardError } from '../../shared/errors.ts';
import type { JobHold } from './job-store.ts';
import { requireJob } from './require-graph.ts';
import type { ScreeningServices } from './screening-services.ts';

/** Longest that the gpu-worker may take to describe a model. */
const describeMs = 10_000;

/** @throws GuardError where the gpu-worker does not serve what the job needs */
export async function settleGraph(
  hold: JobHold,
  { jobs, extractor, noiseKey }: ScreeningServices,
): Promise<{ mode: string }> {
  const { request, graph: known } = await requireJob(hold, jobs);
  if (known !== null) return { mode: known.mode };
  const graph = await extractor.describe(request.model, Date.now() + describeMs);
  const { mode } = request.options;
  if (mode !== undefined && mode !== graph.mode) {
    const detail = `the gpu-worker serves ${request.model} for screening in the mode ${graph.mode}, not ${mode}`;
    throw new GuardError('conflict', detail);
  }
  if (graph.noiseKeyId !== noiseKey.id) {
    throw new GuardError('conflict', 'the gpu-worker runs with another noise key than the edge');
  }
  const { pixel_range: pixels } = request.options;
  const { inputRange: [low, high] = [-Infinity, Infinity] } = graph;
  if (pixels !== undefined && (pixels[0] < low || pixels[1] > high)) {
    const detail = `pixel_range is ${pixels[0]} to ${pixels[1]}, ${request.model} reads ${low} to ${high}`;
    throw new GuardError('conflict', detail);
  }
  await jobs.keep(hold, { graph });
  return { mode: graph.mode };
}

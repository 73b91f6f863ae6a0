// Who extracts for which model: the detector Worker where a graph of it is configured, the gpu-worker else.
import type { ExtractorClient } from './extractor-client.ts';

/** Makes one client of two. @param onGraphs asked for the models of `graphs` */
export function extractorByModel({
  graphs,
  onGraphs,
  onWorker,
}: {
  readonly graphs: ReadonlyMap<string, unknown>;
  readonly onGraphs: ExtractorClient;
  readonly onWorker: ExtractorClient;
}): ExtractorClient {
  const of = (name: string) => (graphs.has(name) ? onGraphs : onWorker);
  return {
    extract: (call) => of(call.expected.name).extract(call),
    checkServes: (expected, deadlineAt) => of(expected.name).checkServes(expected, deadlineAt),
  };
}

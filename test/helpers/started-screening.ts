// What a file of tests of screening jobs starts with: a gpu-worker, an edge before it and its client, stopped at the end.
import { afterAll, beforeAll } from 'vitest';
import { type RunningEdge, startEdge } from '../../gpu-worker/demo/edge-runtime.ts';
import {
  type ScreeningClient,
  type ScreeningWorker,
  screeningClient,
  screeningEdgeOptions,
  startScreeningWorker,
} from './screening-edge.ts';

/** Both programs, there from the first test on. */
export interface StartedScreening {
  readonly worker: ScreeningWorker;
  readonly edge: RunningEdge;
  readonly client: ScreeningClient;
}

/** Starts both before the tests of the file that calls it. */
export function startedScreening(): StartedScreening {
  let worker: ScreeningWorker;
  let edge: RunningEdge;
  beforeAll(async () => {
    worker = await startScreeningWorker();
    edge = await startEdge(screeningEdgeOptions(worker.url, { onLog: () => undefined }));
  });
  afterAll(async () => {
    await edge?.stop();
    await worker?.stop();
  });
  return {
    client: screeningClient(() => edge.url),
    get worker() {
      return worker;
    },
    get edge() {
      return edge;
    },
  };
}

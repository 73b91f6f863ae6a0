// Builds the edge once before the tests of the system: no test's own time has to hold wrangler's.
import { buildEdge } from '../../gpu-worker/demo/build-edge.ts';

/** Runs before the first file of the project that names this file. */
export async function setup(): Promise<void> {
  await buildEdge();
}

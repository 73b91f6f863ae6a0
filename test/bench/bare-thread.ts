// A thread of the bench that does nothing but run a session: what the engine can do on a core.
import { parentPort, workerData } from 'node:worker_threads';
import * as ort from 'onnxruntime-node';
import { compiledTensors } from '../../shared/contracts/extraction.ts';

/** The compiled model and one row of its inputs. */
export interface BareThreadData {
  readonly bytes: Uint8Array;
  readonly shape: readonly number[];
  readonly x: Float32Array;
  readonly rows: BigInt64Array;
  readonly signs: Float32Array;
}

const { bytes, shape, x, rows, signs } = workerData as BareThreadData;
const session = await ort.InferenceSession.create(bytes, {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
  logSeverityLevel: 3,
});
const feeds = {
  [compiledTensors.input]: new ort.Tensor('float32', x, [1, ...shape]),
  [compiledTensors.noiseRows]: new ort.Tensor('int64', rows, [1, rows.length]),
  [compiledTensors.noiseSigns]: new ort.Tensor('float32', signs, [1, signs.length]),
};

async function runFor(ms: number): Promise<void> {
  const end = performance.now() + ms;
  let runs = 0;
  for (; performance.now() < end; runs++) await session.run(feeds);
  parentPort?.postMessage(runs);
}

// Asked for so many milliseconds, it answers the runs that ended in them.
parentPort?.on('message', (ms: number) => void runFor(ms));
parentPort?.postMessage(0);

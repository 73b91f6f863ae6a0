// A worker thread of the pool that holds models of TensorFlow.js, whose work blocks the event loop it runs on.
import { workerData } from 'node:worker_threads';
import { readArchive } from './tfjs-archive.ts';
import { loadTfjsModel } from './tfjs-extraction.ts';
import type { TfjsBackend } from './tfjs-packages.ts';
import { startTfjs } from './tfjs-runtime.ts';
import { serveRuntime } from './thread-runtime.ts';

/** What the thread is told when it starts. */
export interface TfjsThreadData {
  readonly backend: TfjsBackend;
}

const tfjs = await startTfjs((workerData as TfjsThreadData).backend);
serveRuntime({ load: ({ bytes }) => loadTfjsModel(tfjs, readArchive(bytes)) }, tfjs.device);

// A worker thread of the pool: holds sessions of the native ONNX Runtime, because `session.run` blocks the event loop it runs on.
import { workerData } from 'node:worker_threads';
import * as ort from 'onnxruntime-node';
import { sessionModel } from './ort-session.ts';
import { serveRuntime } from './thread-runtime.ts';

/** What the thread is told when it starts. */
export interface OrtThreadData {
  readonly provider: 'cpu' | 'cuda' | 'webgpu';
  /** How WebGPU lays out images. */
  readonly webgpuLayout: 'NCHW' | 'NHWC';
}

const { provider, webgpuLayout } = workerData as OrtThreadData;
ort.env.logLevel = 'error';

serveRuntime({
  async load({ bytes, optimisation }) {
    const session = await ort.InferenceSession.create(bytes, {
      executionProviders: [
        provider === 'webgpu' ? { name: 'webgpu', preferredLayout: webgpuLayout } : { name: provider },
      ],
      // The pool has a thread a core; more threads inside a run would only compete with its neighbours.
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      graphOptimizationLevel: optimisation === 'none' ? 'disabled' : 'all',
      logSeverityLevel: 3,
    });
    return sessionModel(session, ort.Tensor);
  },
});

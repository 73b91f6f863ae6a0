// A worker thread of the pool that holds sessions of ONNX Runtime as WebAssembly: no native binary is needed.
import * as ort from 'onnxruntime-web/wasm';
import { sessionModel } from './ort-session.ts';
import { serveRuntime } from './thread-runtime.ts';

ort.env.logLevel = 'error';
// The pool has a thread a core already.
ort.env.wasm.numThreads = 1;
ort.env.wasm.proxy = false;

serveRuntime({
  async load({ bytes, optimisation }) {
    const session = await ort.InferenceSession.create(bytes, {
      executionProviders: ['wasm'],
      graphOptimizationLevel: optimisation === 'none' ? 'disabled' : 'all',
      logSeverityLevel: 3,
    });
    return sessionModel(session, ort.Tensor);
  },
});

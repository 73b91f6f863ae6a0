// An edge whose neighbours are not there: for tests of its start and of its storage.
import type { EdgeOptions } from '../../gpu-worker/demo/edge-runtime.ts';

/** One model `m` without a detector; nothing listens where it is told to ask. */
export const loneEdge: EdgeOptions = {
  host: '127.0.0.1',
  port: 0,
  bindings: {
    GPU_WORKER_URL: 'http://127.0.0.1:9',
    UPSTREAM_URL: 'http://127.0.0.1:9',
    GUARD_MODELS: '[{"name":"m","artefact":"detectors/m.json"}]',
    GPU_WORKER_TOKEN: 'secret-of-the-gpu-worker',
    NOISE_KEY: '0f'.repeat(32),
    AUTH: 'none',
    ARTEFACT_PUBLIC_KEY: 'none',
  },
  artefacts: [],
  onLog: () => undefined,
};

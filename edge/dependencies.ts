// Builds everything that the app is given from its configuration.
import { importNoiseKeyHex } from '../shared/noise/noise-key.ts';
import { artefactStore } from './clients/artefact-store.ts';
import { auditStore } from './clients/audit-store.ts';
import { detectorClient } from './clients/detector-client.ts';
import { extractorClient } from './clients/extractor-client.ts';
import { upstreamClient } from './clients/upstream-client.ts';
import type { EdgeConfig } from './config.ts';
import { guardMetrics } from './guard/guard-metrics.ts';
import type { RouteDependencies } from './routes/app-env.ts';

/** What the app is made of. */
export interface Dependencies extends RouteDependencies {
  /** Bearer token of the callers; undefined where authentication is switched off. */
  readonly apiToken: string | undefined;
  /** Bearer token of the operators; undefined where every caller is one. */
  readonly operatorToken: string | undefined;
}

/** Makes the dependencies of one isolate. */
export async function createDependencies(config: EdgeConfig): Promise<Dependencies> {
  const { bindings, upstream } = config;
  const metrics = guardMetrics();
  return {
    models: config.models,
    apiToken: config.apiToken,
    operatorToken: config.operatorToken,
    services: {
      noiseKey: await importNoiseKeyHex(config.noiseKeyHex),
      artefacts: await artefactStore(bindings.artefacts, { publicKey: config.artefactPublicKey }),
      extractor: extractorClient(config.gpuWorker),
      detector: detectorClient(bindings.detector, (model) => metrics.fallbacks.inc({ model })),
      upstream: upstreamClient({ ...upstream, passCredentials: config.apiToken === undefined }),
      audit: auditStore(bindings.database),
      metrics,
      guardTimeoutMs: config.guardTimeoutMs,
    },
  };
}

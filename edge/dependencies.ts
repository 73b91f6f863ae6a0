// Builds everything that the app is given from its configuration.
import { pendingShadowBytesMax, pendingVerdictBytesMax } from '../shared/limits.ts';
import { log } from '../shared/log.ts';
import { importNoiseKeyHex } from '../shared/noise/noise-key.ts';
import { lookupOverHttps } from '../shared/webhook/lookup-over-https.ts';
import { createAccess } from './access/identify.ts';
import { artefactStore } from './clients/artefact-store.ts';
import { auditFigures } from './clients/audit-figures.ts';
import { auditStore } from './clients/audit-store.ts';
import { type BreakerState, breakerStates, circuitBreaker } from './clients/circuit-breaker.ts';
import { detectorClient } from './clients/detector-client.ts';
import { extractorByModel } from './clients/extractor-by-model.ts';
import { type ExtractorClient, extractorClient } from './clients/extractor-client.ts';
import { graphExtractor } from './clients/graph-extractor.ts';
import { keyStore } from './clients/key-store.ts';
import { type MediaClient, mediaClient } from './clients/media-client.ts';
import { type Neighbour, neighbour } from './clients/neighbour.ts';
import { noExtractor, noMedia, noScreening } from './clients/no-gpu-worker.ts';
import { policyStore } from './clients/policy-store.ts';
import { queryClient } from './clients/query-client.ts';
import { robustnessStore } from './clients/robustness-store.ts';
import { screeningExtractor } from './clients/screening-extractor.ts';
import { upstreamClient } from './clients/upstream-client.ts';
import type { EdgeConfig, JobHoldParams, WebhookConfig } from './config.ts';
import { countShed } from './guard/count-shed.ts';
import { currentPolicies } from './guard/current-policies.ts';
import { type GuardMetrics, guardMetrics } from './guard/guard-metrics.ts';
import { pendingWork } from './guard/pending-work.ts';
import { shadowPace } from './guard/shadow-pace.ts';
import type { LoadBounds } from './load-variables.ts';
import type { RouteDependencies } from './routes/app-env.ts';
import { jobObjects } from './screening/job-objects.ts';
import { jobStore } from './screening/job-store.ts';
import { noticeStore } from './screening/notice-store.ts';
import type { ScreeningServices, WebhookSender } from './screening/screening-services.ts';
import { shardStore } from './screening/shard-store.ts';
import { uploadStore } from './screening/upload-store.ts';

/** What the app is made of. */
export type Dependencies = RouteDependencies;

/** Makes the dependencies of one isolate. @param dashboard the dashboard's browser code */
export async function createDependencies(
  config: EdgeConfig,
  dashboard: RouteDependencies['dashboard'],
): Promise<Dependencies> {
  const { bindings, upstream, load } = config;
  const metrics = guardMetrics();
  const extraction = createExtraction(config, metrics);
  const policies = policyStore(bindings.database);
  const audit = auditStore(bindings.database, () => metrics.auditRetries.inc());
  return {
    models: config.models,
    dashboard,
    access: await createAccess({ ...config.access, keys: keyStore(bindings.database) }),
    rateLimits: config.access.rateLimits,
    rateLimitFailure: config.access.rateLimitFailure,
    services: {
      policies: currentPolicies(policies, (model) => metrics.policyFailures.inc({ model })),
      policyStore: policies,
      noiseKey: await importNoiseKeyHex(config.noiseKeyHex),
      artefacts: await artefactStore(bindings.artefacts, { publicKey: config.artefactPublicKey }),
      ...extraction,
      detector: detectorClient(bindings.detector, (model) => metrics.fallbacks.inc({ model })),
      queries: queryClient(bindings.queries),
      upstream: upstreamClient({
        ...upstream,
        passCredentials: !config.access.required,
        onIdle: () => metrics.upstreamIdle.inc(),
        server: watchedNeighbour('upstream', { metrics, load }),
      }),
      audit,
      shed: countShed({ audit, metrics }),
      pace: shadowPace({ sharePercent: load.shadowSharePercent }),
      drawsCheck: () => Math.random() * 100 < load.detectorCheckPercent,
      figures: auditFigures(bindings.database),
      metrics,
      pending: {
        verdicts: pendingWork({
          requestsMax: load.pendingVerdictsMax,
          bytesMax: pendingVerdictBytesMax,
          lastsMs: pendingSlackMs,
        }),
        shadow: pendingWork({
          requestsMax: load.pendingShadowMax,
          bytesMax: pendingShadowBytesMax,
          lastsMs: upstream.timeoutMs + pendingSlackMs,
        }),
      },
      guardTimeoutMs: config.guardTimeoutMs,
    },
    screening: await createScreeningServices(config),
    robustness: robustnessStore(bindings.database, bindings.screenings),
  };
}

/** Makes whoever runs the graphs, and whoever decodes files. */
function createExtraction(
  { gpuWorker, models, bindings, guardTimeoutMs, load }: EdgeConfig,
  metrics: GuardMetrics,
): { readonly extractor: ExtractorClient; readonly media: MediaClient } {
  // Callers may give a verdict less time than this: what they wait for in vain then speaks of them.
  const patienceMs = guardTimeoutMs / 2;
  const graphs = new Map(
    [...models.values()].flatMap(({ name, graphs: own }) =>
      own === undefined ? [] : [[name, own] as const],
    ),
  );
  const worker = gpuWorker && {
    ...gpuWorker,
    worker: watchedNeighbour('gpu-worker', { metrics, load }),
    patienceMs,
  };
  const onWorker = worker === undefined ? noExtractor() : extractorClient(worker);
  const media = worker === undefined ? noMedia() : mediaClient(worker);
  if (graphs.size === 0) return { extractor: onWorker, media };
  const onGraphs = graphExtractor({
    binding: bindings.detector,
    graphs,
    worker: watchedNeighbour('detector Worker', { metrics, load }),
    patienceMs,
  });
  return { extractor: extractorByModel({ graphs, onGraphs, onWorker }), media };
}

/** Longer than any verdict may take: a policy gives it at most a minute. */
const pendingSlackMs = 90_000;

/** A neighbour whose circuit breaker shows its state in the metrics. */
function watchedNeighbour(
  name: 'gpu-worker' | 'detector Worker' | 'upstream',
  { metrics, load }: { metrics: GuardMetrics; load: LoadBounds },
): Neighbour {
  const label = name.toLowerCase().replace(' ', '-');
  const show = (state: BreakerState) =>
    metrics.breakers.set({ neighbour: label }, breakerStates.indexOf(state));
  show('closed');
  const breaker = circuitBreaker({
    bounds: { callsMin: load.breakerCallsMin },
    onChange(state) {
      show(state);
      log('warn', 'neighbour.breaker', { neighbour: label, state });
    },
  });
  return neighbour({ name: `the ${name}`, breaker });
}

/** Makes what screening jobs need, for the routes and for the Workflow. */
export async function createScreeningServices(config: EdgeConfig): Promise<ScreeningServices> {
  const { database, screenings, screening } = config.bindings;
  const lease = { leaseMs: config.screeningLeaseMs };
  const instance = ({ job, generation }: JobHoldParams) => `${job}-${generation}`;
  return {
    jobs: jobStore(database, lease),
    notices: noticeStore(database, lease),
    uploads: uploadStore(database),
    shards: shardStore(database),
    objects: jobObjects(screenings),
    hasGpuWorker: config.gpuWorker !== undefined,
    extractor: config.gpuWorker === undefined ? noScreening() : screeningExtractor(config.gpuWorker),
    noiseKey: await importNoiseKeyHex(config.noiseKeyHex),
    webhook: config.webhook === undefined ? undefined : webhookSender(config.webhook),
    async startRun(hold) {
      await screening.create({ id: instance(hold), params: hold });
    },
    async stopRun(hold) {
      // A run that has ended, or never began, cannot be stopped; one that goes on all the same stops by itself.
      await screening
        .get(instance(hold))
        .then((run) => run.terminate())
        .catch(() => undefined);
    },
  };
}

function webhookSender({ secrets, hosts, loopback, resolver, retryDelaysMs }: WebhookConfig): WebhookSender {
  const send = (url: string, init: RequestInit) => fetch(url, init);
  return {
    retryDelaysMs,
    secrets,
    fetch: send,
    policy: { ...(hosts === undefined ? {} : { hosts }), loopback },
    ...(resolver === undefined ? {} : { lookup: lookupOverHttps({ resolver, fetch: send }) }),
  };
}

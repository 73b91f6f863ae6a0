// What the guard is given: its clients, its key and its bounds.
import type { NoiseKey } from '../../shared/noise/noise-key.ts';
import type { ArtefactStore } from '../clients/artefact-store.ts';
import type { AuditFiguresStore } from '../clients/audit-figures.ts';
import type { AuditStore } from '../clients/audit-store.ts';
import type { DetectorClient } from '../clients/detector-client.ts';
import type { ExtractorClient } from '../clients/extractor-client.ts';
import type { MediaClient } from '../clients/media-client.ts';
import type { PolicyStore } from '../clients/policy-store.ts';
import type { QueryClient } from '../clients/query-client.ts';
import type { UpstreamClient } from '../clients/upstream-client.ts';
import type { ShedCount } from './count-shed.ts';
import type { CurrentPolicies } from './current-policies.ts';
import type { GuardMetrics } from './guard-metrics.ts';
import type { PendingWork } from './pending-work.ts';
import type { ShadowPace } from './shadow-pace.ts';

/** Everything that a guarded request needs beside itself. */
export interface GuardServices {
  readonly policies: CurrentPolicies;
  readonly policyStore: PolicyStore;
  readonly noiseKey: NoiseKey;
  readonly artefacts: ArtefactStore;
  readonly extractor: ExtractorClient;
  readonly detector: DetectorClient;
  readonly media: MediaClient;
  readonly queries: QueryClient;
  readonly upstream: UpstreamClient;
  readonly audit: AuditStore;
  readonly figures: AuditFiguresStore;
  readonly metrics: GuardMetrics;
  /** What is under way: verdicts that callers wait for, and those of mode shadow. */
  readonly pending: { readonly verdicts: PendingWork; readonly shadow: PendingWork };
  /** When work of mode shadow may begin, and who counts what is left out of it. */
  readonly pace: ShadowPace;
  readonly shed: ShedCount;
  /** Whether the next request is scored in the detector Worker too, beside the edge's own perceptron. */
  readonly drawsCheck: () => boolean;
  /** Time that a verdict may take where the policy names none. */
  readonly guardTimeoutMs: number;
}

// What a screening is given: its stores, its gpu-worker, its key and its bounds.
import type { NoiseKey } from '../../shared/noise/noise-key.ts';
import type { AttemptOptions } from '../../shared/webhook/attempt-webhook.ts';
import type { TargetPolicy } from '../../shared/webhook/webhook-target.ts';
import type { ScreeningExtractor } from '../clients/screening-extractor.ts';
import type { JobObjects } from './job-objects.ts';
import type { JobHold, JobStore } from './job-store.ts';
import type { NoticeStore } from './notice-store.ts';
import type { ShardStore } from './shard-store.ts';
import type { UploadStore } from './upload-store.ts';

/** How webhooks are sent. */
export interface WebhookSender extends Pick<AttemptOptions, 'secrets' | 'fetch' | 'lookup'> {
  readonly policy: TargetPolicy;
  /** Between the attempts; the usual ones where it is not given. */
  readonly retryDelaysMs: readonly number[] | undefined;
}

/** Everything that screening jobs need beside themselves. */
export interface ScreeningServices {
  readonly jobs: JobStore;
  readonly uploads: UploadStore;
  readonly shards: ShardStore;
  readonly objects: JobObjects;
  /** Whether there is one that could extract: without it no job is taken on. */
  readonly hasGpuWorker: boolean;
  readonly extractor: ScreeningExtractor;
  readonly noiseKey: NoiseKey;
  readonly notices: NoticeStore;
  /** How owners are told; undefined where nothing signs a webhook. */
  readonly webhook: WebhookSender | undefined;
  /** Starts a run of the Workflow. */
  readonly startRun: (hold: JobHold) => Promise<void>;
  /** Stops a run that is of no use any more, as far as that can be; it stops by itself at its next look at the job. */
  readonly stopRun: (hold: JobHold) => Promise<void>;
}

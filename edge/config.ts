// The edge's configuration, read once from its bindings: a bad, missing or unknown value stops it with its name.
import { z } from 'zod';
import { webhookRetrySecondsSchema, webhookSecretsSchema } from '../shared/contracts/webhook.ts';
import { GuardError } from '../shared/errors.ts';
import {
  type AccessConfig,
  accessConfig,
  accessVariables,
  checkAccess,
  jsonText,
} from './access-variables.ts';
import type {
  D1Binding,
  DetectorBinding,
  FetcherBinding,
  QueryHistoryBinding,
  R2Binding,
  R2BucketBinding,
  SizedR2Binding,
  WorkflowBinding,
} from './bindings.ts';
import { type LoadBounds, loadBounds, loadVariables } from './load-variables.ts';
import { type ConfiguredModel, configuredModels, modelsSchema } from './model-variables.ts';

/** Key under which artefacts are believed, 32 bytes in base64; undefined where `none` says that any artefact is. */
export type ArtefactPublicKeyText = string | undefined;

/** Where the gpu-worker is. */
export interface GpuWorkerConfig {
  readonly url: URL;
  readonly token: string;
  /** What is asked in place of the network. */
  readonly fetcher: FetcherBinding | undefined;
}

/** Everything that the edge is told from outside. */
export interface EdgeConfig {
  /** undefined where the detector Worker runs the graphs of all models. */
  readonly gpuWorker: GpuWorkerConfig | undefined;
  readonly upstream: {
    readonly url: URL;
    readonly token: string | undefined;
    readonly timeoutMs: number;
    /** What is asked in place of the network. */
    readonly fetcher: FetcherBinding | undefined;
  };
  readonly models: ReadonlyMap<string, ConfiguredModel>;
  readonly access: AccessConfig;
  readonly guardTimeoutMs: number;
  readonly load: LoadBounds;
  readonly noiseKeyHex: string;
  readonly artefactPublicKey: ArtefactPublicKeyText;
  readonly bindings: {
    readonly database: D1Binding;
    readonly artefacts: R2Binding;
    readonly detector: DetectorBinding;
    readonly screenings: R2BucketBinding;
    readonly screening: WorkflowBinding<JobHoldParams>;
    readonly queries: QueryHistoryBinding;
  };
  /** How long verdicts are kept, in days; undefined keeps them for ever. */
  readonly auditRetentionDays: number | undefined;
  /** Time without a word after which a run of a screening is taken for dead. */
  readonly screeningLeaseMs: number;
  /** How the owners of screenings are told of their end; undefined where no secret signs what they are told. */
  readonly webhook: WebhookConfig | undefined;
}

/** What a run of a screening is told: its job, and which run of it this is. */
export interface JobHoldParams {
  readonly job: string;
  readonly generation: number;
}

/** How webhooks are sent. */
export interface WebhookConfig {
  readonly secrets: readonly string[];
  /** The only hosts that are called; any public one where it is not given. */
  readonly hosts: readonly string[] | undefined;
  /** Whether http and loopback addresses are called too, for trying things out on one machine. */
  readonly loopback: boolean;
  /** Resolver over HTTPS that is asked whether a host is public. */
  readonly resolver: URL | undefined;
  /** Between the attempts; those of `webhookRetryDelaysMs` where it is not given. */
  readonly retryDelaysMs: readonly number[] | undefined;
}

const serviceUrlSchema = z
  .url({ protocol: /^https?$/ })
  .transform((text) => new URL(text))
  .refine((url) => url.search === '' && url.hash === '' && url.username === '', 'must be a plain address');

/** Milliseconds as an environment variable holds them. */
const timeoutSchema = z
  .union([z.string().regex(/^\d{1,6}$/), z.number()])
  .transform(Number)
  .pipe(z.int().min(1).max(600_000));

/** Words with spaces between them. */
const wordsSchema = z
  .string()
  .max(4096)
  .transform((text) => text.split(/\s+/).filter((word) => word !== ''));

const secretSchema = z.string().min(1).max(4096);

const artefactPublicKeyMessage = 'must be an Ed25519 public key, 32 bytes in base64, or the word none';
const artefactPublicKeySchema = z
  .string(artefactPublicKeyMessage)
  .regex(/^(?:none|[A-Za-z0-9+/]{43}=)$/, artefactPublicKeyMessage)
  .transform((text): ArtefactPublicKeyText => (text === 'none' ? undefined : text));

const bindingsSchema = z
  .strictObject({
    GPU_WORKER_URL: z.union([z.literal('').transform(() => undefined), serviceUrlSchema]).optional(),
    GPU_CONTAINER: z.custom<FetcherBinding>(isBinding, 'must be the container Worker').optional(),
    UPSTREAM_URL: serviceUrlSchema,
    GUARD_MODELS: jsonText.pipe(modelsSchema),
    ...accessVariables,
    GUARD_TIMEOUT_MS: timeoutSchema.default(2_000),
    UPSTREAM_TIMEOUT_MS: timeoutSchema.default(30_000),
    ...loadVariables,
    AUDIT_RETENTION_DAYS: z
      .union([z.string().regex(/^\d{1,4}$/), z.number()])
      .transform(Number)
      .pipe(z.int().min(1).max(3_650))
      .optional(),
    SCREENING_LEASE_MS: timeoutSchema.default(180_000),
    WEBHOOK_HOSTS: wordsSchema.optional(),
    WEBHOOK_LOOPBACK: z.enum(['refuse', 'allow']).default('refuse'),
    WEBHOOK_RESOLVER_URL: serviceUrlSchema.optional(),
    WEBHOOK_RETRY_SECONDS: wordsSchema.pipe(webhookRetrySecondsSchema).optional(),
    WEBHOOK_SECRETS: wordsSchema.pipe(webhookSecretsSchema).optional(),
    GPU_WORKER_TOKEN: secretSchema.optional(),
    NOISE_KEY: z.string().regex(/^[0-9a-fA-F]{64}$/, 'must be 64 hexadecimal digits'),
    ARTEFACT_PUBLIC_KEY: artefactPublicKeySchema,
    UPSTREAM_TOKEN: secretSchema.optional(),
    DB: z.custom<D1Binding>(isBinding, 'must be a D1 database'),
    ARTEFACTS: z.custom<R2Binding>(isBinding, 'must be an R2 bucket'),
    DETECTOR: z.custom<DetectorBinding>(isBinding, 'must be the detector Worker'),
    SCREENINGS: z.custom<R2BucketBinding>(isBinding, 'must be an R2 bucket'),
    SCREENING: z.custom<WorkflowBinding<JobHoldParams>>(isBinding, 'must be a Workflow'),
    QUERIES: z.custom<QueryHistoryBinding>(isBinding, 'must be a namespace of Durable Objects'),
    GPU_WORKER: z.custom<FetcherBinding>(isBinding, 'must be a binding that fetches').optional(),
    UPSTREAM: z.custom<FetcherBinding>(isBinding, 'must be a binding that fetches').optional(),
  })
  .superRefine(checkAccess)
  .superRefine(checkExtraction);

/** Host of requests to the containers, which only their Worker reads. */
const containerUrl = new URL('http://gpu-worker/');

/**
 * Reads the configuration.
 * @param env the Worker's bindings
 * @throws GuardError `invalid_config` that names each bad, missing or unknown value and shows none
 */
export function parseConfig(env: Readonly<Record<string, unknown>>): EdgeConfig {
  const values = parseBindings(bindingsSchema, env);
  return {
    gpuWorker: gpuWorkerOf(values),
    upstream: {
      url: values.UPSTREAM_URL,
      token: values.UPSTREAM_TOKEN,
      timeoutMs: values.UPSTREAM_TIMEOUT_MS,
      fetcher: values.UPSTREAM,
    },
    models: configuredModels(values.GUARD_MODELS),
    access: accessConfig(values),
    guardTimeoutMs: values.GUARD_TIMEOUT_MS,
    load: loadBounds(values),
    noiseKeyHex: values.NOISE_KEY,
    artefactPublicKey: values.ARTEFACT_PUBLIC_KEY,
    bindings: {
      database: values.DB,
      artefacts: values.ARTEFACTS,
      detector: values.DETECTOR,
      screenings: values.SCREENINGS,
      screening: values.SCREENING,
      queries: values.QUERIES,
    },
    auditRetentionDays: values.AUDIT_RETENTION_DAYS,
    screeningLeaseMs: values.SCREENING_LEASE_MS,
    webhook:
      values.WEBHOOK_SECRETS === undefined
        ? undefined
        : {
            secrets: values.WEBHOOK_SECRETS,
            hosts: values.WEBHOOK_HOSTS,
            loopback: values.WEBHOOK_LOOPBACK === 'allow',
            resolver: values.WEBHOOK_RESOLVER_URL,
            retryDelaysMs: values.WEBHOOK_RETRY_SECONDS?.map((each) => 1_000 * each),
          },
  };
}

/** Every model that is guarded needs somebody who runs its graph. */
function checkExtraction(
  values: {
    readonly GPU_WORKER_URL?: URL | undefined;
    readonly GPU_CONTAINER?: FetcherBinding | undefined;
    readonly GPU_WORKER_TOKEN?: string | undefined;
    readonly GUARD_MODELS: z.output<typeof modelsSchema>;
  },
  context: z.RefinementCtx,
): void {
  const refuse = (name: string, message: string) =>
    context.addIssue({ code: 'custom', path: [name], message });
  const hasWorker = values.GPU_WORKER_URL !== undefined || values.GPU_CONTAINER !== undefined;
  if (hasWorker && values.GPU_WORKER_TOKEN === undefined) {
    refuse('GPU_WORKER_TOKEN', 'is needed where there is a gpu-worker');
  }
  const bare = values.GUARD_MODELS.find(
    ({ artefact, graph }) => artefact !== undefined && graph === undefined,
  );
  if (!hasWorker && bare !== undefined) {
    refuse('GPU_WORKER_URL', `is needed where there is no GPU_CONTAINER: model ${bare.name} names no graph`);
  }
}

function gpuWorkerOf(values: {
  readonly GPU_WORKER_URL?: URL | undefined;
  readonly GPU_CONTAINER?: FetcherBinding | undefined;
  readonly GPU_WORKER?: FetcherBinding | undefined;
  readonly GPU_WORKER_TOKEN?: string | undefined;
}): GpuWorkerConfig | undefined {
  const { GPU_WORKER_URL: url, GPU_CONTAINER: container, GPU_WORKER_TOKEN: token } = values;
  if (token === undefined) return undefined;
  // An address wins over the containers.
  if (url !== undefined) return { url, token, fetcher: values.GPU_WORKER };
  return container && { url: containerUrl, token, fetcher: container };
}

/** Everything that the detector Worker is told from outside. */
export interface DetectorConfig {
  readonly artefactPublicKey: ArtefactPublicKeyText;
  readonly artefacts: SizedR2Binding;
}

const detectorBindingsSchema = z.strictObject({
  ARTEFACT_PUBLIC_KEY: artefactPublicKeySchema,
  ARTEFACTS: z.custom<SizedR2Binding>(isBinding, 'must be an R2 bucket'),
});

/**
 * Reads the configuration of the detector Worker.
 * @param env its bindings
 * @throws GuardError `invalid_config` that names each bad, missing or unknown value
 */
export function parseDetectorConfig(env: object): DetectorConfig {
  const values = parseBindings(detectorBindingsSchema, env);
  return { artefactPublicKey: values.ARTEFACT_PUBLIC_KEY, artefacts: values.ARTEFACTS };
}

function parseBindings<T>(schema: z.ZodType<T>, env: object): T {
  const parsed = schema.safeParse(env);
  if (parsed.success) return parsed.data;
  const places = parsed.error.issues.map((issue) => ({
    pointer: issue.path.map(String).join('.') || 'environment',
    detail: issue.message,
  }));
  const detail = places.map((place) => `${place.pointer}: ${place.detail}`).join('; ');
  throw new GuardError('invalid_config', detail, { places });
}

/** Bindings are proxies whose shape cannot be asked for; that one is there can. */
function isBinding(value: unknown): boolean {
  return (typeof value === 'object' || typeof value === 'function') && value !== null;
}

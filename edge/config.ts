// The edge's configuration, read once from its bindings: a bad, missing or unknown value stops it with its name.
import { z } from 'zod';
import { nameSchema } from '../shared/contracts/inference.ts';
import type { AudioInput } from '../shared/contracts/media.ts';
import { type GuardMode, guardModes } from '../shared/contracts/verdict.ts';
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
  WorkflowBinding,
} from './bindings.ts';
import { type LoadBounds, loadBounds, loadVariables } from './load-variables.ts';

/** What the servers of protected models speak. */
export const upstreamProtocols = ['open-inference', 'tensorflow-serving'] as const;
export type UpstreamProtocol = (typeof upstreamProtocols)[number];

/** One protected model as the configuration names it: which it is, and the mode of version 0 of its policy. */
export interface ConfiguredModel {
  readonly name: string;
  readonly mode: GuardMode;
  /** The version that the detector was made for, the only one that may be asked for by its number. */
  readonly version: string | undefined;
  /** Key of its detector artefact in R2; a model in mode off may have none. */
  readonly artefactKey: string | undefined;
  /** What its server speaks, and so its callers. */
  readonly protocol: UpstreamProtocol;
  /** Of a model that reads sound. */
  readonly audio?: AudioInput | undefined;
}

/** Key under which artefacts are believed, 32 bytes in base64; undefined where `none` says that any artefact is. */
export type ArtefactPublicKeyText = string | undefined;

/** Everything that the edge is told from outside. */
export interface EdgeConfig {
  readonly gpuWorker: {
    readonly url: URL;
    readonly token: string;
    /** What is asked in place of the network. */
    readonly fetcher: FetcherBinding | undefined;
  };
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

const modelsSchema = z
  .array(
    z.strictObject({
      // A name becomes a path segment of the upstream and of the gpu-worker.
      name: nameSchema.regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/),
      mode: z.enum(guardModes).default('shadow'),
      // It becomes one too.
      version: nameSchema.regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/).optional(),
      artefact: z.string().min(1).max(1024).optional(),
      protocol: z.enum(upstreamProtocols).default('open-inference'),
      audio: z
        .strictObject({ sample_rate: z.int().min(1).max(1_000_000), mix_down: z.boolean().default(false) })
        .transform(
          ({ sample_rate, mix_down }): AudioInput => ({ sampleRate: sample_rate, mixDown: mix_down }),
        )
        .optional(),
    }),
  )
  .min(1)
  .superRefine((models, context) => {
    for (const [index, { name, mode, artefact }] of models.entries()) {
      if (models.findIndex((other) => other.name === name) !== index) {
        context.addIssue({ code: 'custom', path: [index, 'name'], message: `${name} is named twice` });
      }
      if (mode !== 'off' && artefact === undefined) {
        const message = 'is needed unless the mode is off';
        context.addIssue({ code: 'custom', path: [index, 'artefact'], message });
      }
    }
  });

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
    GPU_WORKER_TOKEN: secretSchema,
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
  .superRefine(({ GPU_WORKER_URL: url, GPU_CONTAINER: container }, context) => {
    if (url !== undefined || container !== undefined) return;
    const message = 'is needed where there is no GPU_CONTAINER';
    context.addIssue({ code: 'custom', path: ['GPU_WORKER_URL'], message });
  });

/** Host of requests to the containers, which only their Worker reads. */
const containerUrl = new URL('http://gpu-worker/');

/**
 * Reads the configuration.
 * @param env the Worker's bindings
 * @throws GuardError `invalid_config` that names each bad, missing or unknown value and shows none
 */
export function parseConfig(env: Readonly<Record<string, unknown>>): EdgeConfig {
  const values = parseBindings(bindingsSchema, env);
  const models = values.GUARD_MODELS.map(
    ({ name, mode, version, artefact, protocol, audio }): ConfiguredModel => {
      return { name, mode, version, artefactKey: artefact, protocol, audio };
    },
  );
  return {
    // An address wins over the containers.
    gpuWorker: {
      url: values.GPU_WORKER_URL ?? containerUrl,
      token: values.GPU_WORKER_TOKEN,
      fetcher: values.GPU_WORKER_URL === undefined ? values.GPU_CONTAINER : values.GPU_WORKER,
    },
    upstream: {
      url: values.UPSTREAM_URL,
      token: values.UPSTREAM_TOKEN,
      timeoutMs: values.UPSTREAM_TIMEOUT_MS,
      fetcher: values.UPSTREAM,
    },
    models: new Map(models.map((model) => [model.name, model])),
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

/** Everything that the detector Worker is told from outside. */
export interface DetectorConfig {
  readonly artefactPublicKey: ArtefactPublicKeyText;
  readonly artefacts: R2Binding;
}

const detectorBindingsSchema = z.strictObject({
  ARTEFACT_PUBLIC_KEY: artefactPublicKeySchema,
  ARTEFACTS: z.custom<R2Binding>(isBinding, 'must be an R2 bucket'),
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

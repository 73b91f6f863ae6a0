// The gpu-worker's configuration: read once from the environment, complete and checked.
import { z } from 'zod';
import { GuardError } from '../shared/errors.ts';
import { batchRowsMax } from '../shared/limits.ts';
import { type EngineName, engineNames } from './engine/engine-name.ts';

/** Everything that an operator can set. */
export interface GpuWorkerConfig {
  readonly host: string;
  readonly port: number;
  /** Bearer token that requests must carry; undefined only on a loopback host with GPU_WORKER_AUTH=none. */
  readonly token: string | undefined;
  /** Folder of the compiled .onnx files. */
  readonly modelFolder: string;
  readonly engine: EngineName;
  /** Worker threads; what suits the engine where it is undefined. */
  readonly workers: number | undefined;
  /** Runs that may wait for a worker. */
  readonly queueMax: number;
  /** Bytes of the inputs of runs that wait. */
  readonly queueBytesMax: number;
  /** Memory that all models may take together; half of the machine's where it is undefined. */
  readonly memoryBytesMax: number | undefined;
  /** Rows of different requests that are run together; what suits the engine where it is undefined. */
  readonly joinedRowsMax: number | undefined;
  /** Longest that a row waits for others to be run together with. */
  readonly joinDelayMs: number;
  /** Longest that an inference waits for a worker. */
  readonly deadlineMs: number;
  /** Longest that running requests are waited for when the server stops. */
  readonly drainMs: number;
}

const prefix = 'GPU_WORKER_';
const loopbackHosts = ['127.0.0.1', '::1', 'localhost'];
/** Characters of a token: 128 bits written in base64url have 22. */
const tokenCharactersMin = 22;
const bytesPerMegabyte = 1024 * 1024;

const environmentSchema = z
  .strictObject({
    ENGINE: z.enum(engineNames).default('auto'),
    GPU_WORKER_HOST: z.string().min(1).default('127.0.0.1'),
    GPU_WORKER_PORT: integer(0, 65_535).default(8790),
    GPU_WORKER_AUTH: z.enum(['token', 'none']).default('token'),
    GPU_WORKER_TOKEN: z.string().regex(/^\S+$/).min(tokenCharactersMin).optional(),
    GPU_WORKER_MODELS: z.string().min(1),
    GPU_WORKER_WORKERS: integer(1, 256).optional(),
    // A whole batch must find room, or it could never be answered.
    GPU_WORKER_QUEUE_MAX: integer(batchRowsMax, 65_536).default(4 * batchRowsMax),
    GPU_WORKER_QUEUE_MB: integer(1, 1_048_576).default(256),
    GPU_WORKER_MEMORY_MB: integer(1, 16_777_216).optional(),
    GPU_WORKER_BATCH_ROWS: integer(1, batchRowsMax).optional(),
    GPU_WORKER_BATCH_DELAY_MS: integer(0, 1_000).default(0),
    GPU_WORKER_DEADLINE_MS: integer(1, 600_000).default(5_000),
    GPU_WORKER_DRAIN_MS: integer(0, 600_000).default(10_000),
  })
  .superRefine(({ GPU_WORKER_AUTH: auth, GPU_WORKER_TOKEN: token, GPU_WORKER_HOST: host }, context) => {
    const refuse = (name: string, message: string) =>
      context.addIssue({ code: 'custom', path: [name], message });
    if (auth === 'token' && token === undefined)
      refuse('GPU_WORKER_TOKEN', 'required unless GPU_WORKER_AUTH is none');
    if (auth === 'none' && token !== undefined)
      refuse('GPU_WORKER_AUTH', 'none, but GPU_WORKER_TOKEN is set');
    if (auth === 'none' && !loopbackHosts.includes(host)) {
      refuse('GPU_WORKER_AUTH', `none is allowed on a loopback host only, not on ${host}`);
    }
  });

/**
 * Reads the configuration.
 * @param environment variables by name; those that do not start with GPU_WORKER_ belong to others, but for ENGINE
 * @throws GuardError `invalid_config` that names every variable that is wrong, missing or unknown
 */
export function readConfig(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): GpuWorkerConfig {
  const own = Object.fromEntries(
    Object.entries(environment).filter(([name]) => name.startsWith(prefix) || name === 'ENGINE'),
  );
  const parsed = environmentSchema.safeParse(own);
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => {
      const names = issue.code === 'unrecognized_keys' ? issue.keys : issue.path;
      return `${names.join(', ')}: ${issue.code === 'unrecognized_keys' ? 'no such variable' : issue.message}`;
    });
    throw new GuardError('invalid_config', faults.join('; '));
  }
  const values = parsed.data;
  return {
    host: values.GPU_WORKER_HOST,
    port: values.GPU_WORKER_PORT,
    token: values.GPU_WORKER_TOKEN,
    modelFolder: values.GPU_WORKER_MODELS,
    engine: values.ENGINE,
    workers: values.GPU_WORKER_WORKERS,
    queueMax: values.GPU_WORKER_QUEUE_MAX,
    queueBytesMax: values.GPU_WORKER_QUEUE_MB * bytesPerMegabyte,
    memoryBytesMax:
      values.GPU_WORKER_MEMORY_MB === undefined ? undefined : values.GPU_WORKER_MEMORY_MB * bytesPerMegabyte,
    joinedRowsMax: values.GPU_WORKER_BATCH_ROWS,
    joinDelayMs: values.GPU_WORKER_BATCH_DELAY_MS,
    deadlineMs: values.GPU_WORKER_DEADLINE_MS,
    drainMs: values.GPU_WORKER_DRAIN_MS,
  };
}

/**
 * Has NVIDIA's libraries, which are not loaded yet, compute in full single precision: their default on recent cards keeps ten bits of
 * the factors of convolutions. What an operator has set stays.
 */
export function requireFullPrecision(environment: Record<string, string | undefined> = process.env): void {
  environment.NVIDIA_TF32_OVERRIDE ??= '0';
}

function integer(min: number, max: number) {
  return z.string().regex(/^\d+$/, 'not a whole number').transform(Number).pipe(z.number().min(min).max(max));
}

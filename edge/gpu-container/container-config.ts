// What the container Worker is told from outside, read from its bindings: a bad or missing value is named.
import { z } from 'zod';
import { GuardError } from '../../shared/errors.ts';

/** Whatever answers requests: a Durable Object with its container. */
export interface ContainerStub {
  fetch(request: Request): Promise<Response>;
}

/** The Durable Objects of the containers. */
export interface ContainerNamespace {
  getByName(name: string): ContainerStub;
  idFromName(name: string): unknown;
  get(id: unknown): ContainerStub;
}

/** Everything that the container Worker is told. */
export interface ContainerConfig {
  readonly namespace: ContainerNamespace;
  /** Containers among which requests are spread; `max_instances` of wrangler.toml must not be less. */
  readonly instances: number;
  /** The environment of each container: see gpu-worker/config.ts. */
  readonly containerVariables: Record<string, string>;
}

const variablesSchema = z.object({
  GPU_WORKERS: z.custom<ContainerNamespace>(
    (value) => (typeof value === 'object' || typeof value === 'function') && value !== null,
    'must be a namespace of Durable Objects',
  ),
  GPU_CONTAINER_INSTANCES: z
    .string()
    .regex(/^[1-9]\d{0,2}$/, 'must be a number from 1 to 999')
    .transform(Number),
  GPU_WORKER_TOKEN: z.string('must be a secret').regex(/^\S{22,}$/, 'must have 22 characters at least'),
  GPU_WORKER_WORKERS: z.string().regex(/^\d+$/, 'must be a number'),
});

/**
 * Reads the configuration.
 * @param env the Worker's bindings
 * @throws GuardError `invalid_config` that names each bad or missing value and shows none
 */
export function parseContainerConfig(env: object): ContainerConfig {
  const parsed = variablesSchema.safeParse(env);
  if (!parsed.success) {
    const faults = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
    throw new GuardError('invalid_config', faults.join('; '));
  }
  const { GPU_WORKERS: namespace, GPU_CONTAINER_INSTANCES: instances, ...containerVariables } = parsed.data;
  return { namespace, instances, containerVariables };
}

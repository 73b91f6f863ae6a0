// The gpu-worker's CPU image as Cloudflare Containers: a Worker of its own, so that nothing of it is in the front door's bundle.
import { Container, getRandom } from '@cloudflare/containers';
import { asGuardError } from '../../shared/errors.ts';
import { log } from '../../shared/log.ts';
import { answerFromContainer, wakeContainer } from './ask-container.ts';
import { type ContainerConfig, parseContainerConfig } from './container-config.ts';

type Env = Record<string, unknown>;

/** The port on which the image listens. */
const gpuWorkerPort = 8790;

/** One container; its Durable Object starts it with the first request and hands it each one. */
export class GpuWorkerContainer extends Container<Env> {
  override defaultPort = gpuWorkerPort;
  // The cron of a minute keeps every instance awake: a model that has to be loaded first answers no request in time.
  override sleepAfter = '10m';
  // A gpu-worker calls nobody.
  override enableInternet = false;
  override pingEndpoint = 'gpu-worker/v2/health/live';
  override envVars = parseContainerConfig(this.env).containerVariables;
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { namespace, instances } = configOrThrow(env);
    return answerFromContainer(request, await getRandom(namespace, instances));
  },

  /** Every minute: each instance is asked whether it is ready, which starts it where it is not there. */
  async scheduled(_event: unknown, env: Env): Promise<void> {
    const { namespace, instances } = configOrThrow(env);
    const stubs = Array.from({ length: instances }, (_, index) => namespace.getByName(instanceName(index)));
    await Promise.all(stubs.map(wakeContainer));
  },
};

/** The names among which `getRandom` chooses. */
function instanceName(index: number): string {
  return `instance-${index}`;
}

function configOrThrow(env: Env): ContainerConfig {
  try {
    return parseContainerConfig(env);
  } catch (thrown) {
    log('error', 'container.start_failure', { error: asGuardError(thrown) });
    throw thrown;
  }
}

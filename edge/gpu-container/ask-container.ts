// One request to a container, and what the platform says in its place told as the front door understands it.
import { log } from '../../shared/log.ts';
import type { ContainerStub } from './container-config.ts';

/**
 * Has a container answer a request.
 * @returns its own answer; 502 where there is none, which the front door takes for an unreachable gpu-worker and asks again:
 *   a container that does not start or breaks off is told by the platform with a 500, as if the gpu-worker itself had failed
 */
export async function answerFromContainer(request: Request, container: ContainerStub): Promise<Response> {
  try {
    const answer = await container.fetch(request);
    if (answer.status !== 500 || !isText(answer)) return answer;
    log('warn', 'container.no_answer', { said: (await answer.text()).slice(0, 500) });
  } catch (cause) {
    log('warn', 'container.no_answer', { cause });
  }
  return new Response(null, { status: 502 });
}

/** Asks a container whether it is ready, for it to be or stay awake. */
export async function wakeContainer(container: ContainerStub): Promise<void> {
  const answer = await answerFromContainer(new Request('http://gpu-worker/v2/health/ready'), container);
  await answer.body?.cancel();
  if (!answer.ok) log('warn', 'container.not_ready', { status: answer.status });
}

/** Whether the platform answered in words: the gpu-worker's own errors are problem details. */
function isText({ headers }: Response): boolean {
  return headers.get('content-type')?.startsWith('text/plain') ?? false;
}

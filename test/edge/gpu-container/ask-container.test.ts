// What the container Worker tells the front door of its containers.
import { describe, expect, it } from 'vitest';
import { answerFromContainer } from '../../../edge/gpu-container/ask-container.ts';
import { parseContainerConfig } from '../../../edge/gpu-container/container-config.ts';
import { GuardError } from '../../../shared/errors.ts';
import { problemResponse } from '../../../shared/problem-response.ts';

const request = new Request('http://gpu-worker/v2/models/m/infer', { method: 'POST', body: 'x' });

/** A container that answers in one way. */
function containerOf(answer: () => Response) {
  return { fetch: async () => answer() };
}

describe('answerFromContainer', () => {
  it("passes on the gpu-worker's own answers, failures too", async () => {
    const own = [
      new Response('logits', { headers: { 'content-type': 'application/octet-stream' } }),
      problemResponse(new GuardError('overloaded', 'the queue is full')),
      problemResponse(new GuardError('internal', 'a fault of its own')),
    ];
    for (const answer of own) {
      expect(
        await answerFromContainer(
          request,
          containerOf(() => answer),
        ),
      ).toBe(answer);
    }
  });

  it("tells a container that does not start as one that cannot be reached, without the platform's words", async () => {
    const failures = [
      () => new Response('Failed to start container: no such image', { status: 500 }),
      () => {
        throw new Error('Containers have not been enabled');
      },
    ];
    for (const failure of failures) {
      const answer = await answerFromContainer(request, containerOf(failure));
      expect(answer.status).toBe(502);
      expect(await answer.text()).toBe('');
    }
  });

  it('passes on that the platform has no room', async () => {
    const answer = await answerFromContainer(
      request,
      containerOf(() => new Response('There is no Container instance available', { status: 503 })),
    );
    expect(answer.status).toBe(503);
  });
});

describe('parseContainerConfig', () => {
  const token = 'a-token-of-some-characters';
  const variables = {
    GPU_WORKERS: {},
    GPU_CONTAINER_INSTANCES: '3',
    GPU_WORKER_TOKEN: token,
    GPU_WORKER_WORKERS: '2',
  };

  it("gives a container the gpu-worker's variables and nothing else", () => {
    const { instances, containerVariables } = parseContainerConfig({ ...variables, UNRELATED: 'x' });
    expect(instances).toBe(3);
    expect(containerVariables).toEqual({ GPU_WORKER_TOKEN: token, GPU_WORKER_WORKERS: '2' });
  });

  it('names what is missing or wrong and shows no secret', () => {
    const wrong = { ...variables, GPU_CONTAINER_INSTANCES: '0', GPU_WORKER_TOKEN: 'short' };
    expect(() => parseContainerConfig(wrong)).toThrow(/GPU_CONTAINER_INSTANCES: .*GPU_WORKER_TOKEN: /);
    expect(() => parseContainerConfig(wrong)).not.toThrow(/short/);
    const { GPU_WORKERS: _, ...without } = variables;
    expect(() => parseContainerConfig(without)).toThrow('GPU_WORKERS');
  });
});

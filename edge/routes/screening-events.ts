// How a screening goes on, as server-sent events: each event is the whole job, so that a client that missed some has missed nothing.
import { createRoute, z } from '@hono/zod-openapi';
import { streamSSE } from 'hono/streaming';
import { describeJob } from '../screening/describe-job.ts';
import type { StoredJob } from '../screening/job-store.ts';
import { takeOver } from '../screening/take-over.ts';
import type { App, RouteDependencies } from './app-env.ts';
import { problemAnswers } from './problem-answers.ts';
import { findJob, jobErrors, jobParams } from './screenings.ts';

/** How often the job is looked at, in milliseconds. */
const lookEveryMs = 500;
/** How often a silent stream says that it lives, in milliseconds: proxies close what is silent for a minute. */
const aliveEveryMs = 15_000;

/** Adds the route. */
export function addScreeningEventsRoute(app: App, { screening }: RouteDependencies): void {
  app.openAPIRegistry.registerPath(
    createRoute({
      method: 'get',
      path: '/v1/screenings/{id}/events',
      request: { params: jobParams, headers: z.object({ 'last-event-id': z.string().optional() }) },
      responses: {
        200: {
          description: 'An event `job` with the job as JSON at each change; the stream ends with the job.',
          content: { 'text/event-stream': { schema: z.string() } },
        },
        204: { description: 'The last event was of a job that has ended: there is nothing to come.' },
        ...problemAnswers(...jobErrors),
      },
    }),
  );
  app.get('/v1/screenings/:id/events', async (context) => {
    const job = await findJob(context, screening);
    const seen = context.req.header('last-event-id');
    // A browser comes back after every end; this answer tells it not to.
    if (isOver(job) && seen === String(job.revision)) return context.body(null, 204);
    return streamSSE(context, async (stream) => {
      let last = seen;
      let saidAt = Date.now();
      for (;;) {
        const current = await screening.jobs.read(job.id);
        if (current === undefined || current.state === 'deleted' || stream.aborted) return;
        if (last !== String(current.revision)) {
          last = String(current.revision);
          saidAt = Date.now();
          const data = JSON.stringify(await describeJob(current, screening));
          await stream.writeSSE({ event: 'job', id: last, data });
        } else if (Date.now() - saidAt >= aliveEveryMs) {
          saidAt = Date.now();
          await stream.write(': alive\n\n');
        }
        if (isOver(current)) return;
        if (current.state === 'running' && current.leaseUntil < Date.now()) await takeOver(job.id, screening);
        await stream.sleep(lookEveryMs);
      }
    });
  });
}

function isOver({ state }: StoredJob): boolean {
  return state === 'completed' || state === 'failed' || state === 'cancelled';
}

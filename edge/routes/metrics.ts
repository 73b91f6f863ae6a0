// The guard's figures in the text format of Prometheus.

import { createRoute, z } from '@hono/zod-openapi';
import { showSharedFigures } from '../guard/shared-figures.ts';
import type { App, RouteDependencies } from './app-env.ts';
import { problemAnswers } from './problem-answers.ts';

/** Adds the route. */
export function addMetricsRoute(app: App, { services }: RouteDependencies): void {
  app.openAPIRegistry.registerPath(
    createRoute({
      method: 'get',
      path: '/metrics',
      responses: {
        200: {
          description: 'Counters, gauges and histograms of this isolate; jobs, drift and retention of all.',
          content: { 'text/plain': { schema: z.string() } },
        },
        ...problemAnswers('unauthorized', 'forbidden'),
      },
    }),
  );
  app.get('/metrics', async (context) => {
    await showSharedFigures(services);
    const { body, contentType } = await services.metrics.exposition();
    return context.body(body, 200, { 'content-type': contentType });
  });
}

// Health probes (Open Inference Protocol v2): an empty body, 200 for yes and 400 for no. They need no token.

import { createRoute } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { WaitUntil } from '../bindings.ts';
import { checkReadiness, type Readiness } from '../guard/check-readiness.ts';
import type { App, AppEnv, RouteDependencies } from './app-env.ts';

const livePaths = ['/v2/health/live', '/healthz', '/livez'] as const;
const readyPaths = ['/v2/health/ready', '/readyz'] as const;

/** Whoever asks without a token makes the gpu-worker work at most this often, in milliseconds. */
const readinessAgeMs = 1_000;

/** Adds the probes of the edge as a whole. Ready means: a verdict can be given for every guarded model. */
export function addHealthRoutes(app: App, { models, services }: RouteDependencies): void {
  for (const path of livePaths) {
    const responses = { 200: { description: 'The edge runs.' } };
    app.openapi(createRoute({ method: 'get', path, responses }), (context) => context.body(null, 200));
  }
  const readiness = recentReadiness((waitUntil) =>
    checkReadiness(Array.from(models.values()), { services, waitUntil }),
  );
  for (const path of readyPaths) {
    const responses = {
      200: {
        description: 'Every guarded model can get a verdict; x-guard-degraded names what is done without.',
      },
      400: { description: 'Some cannot; x-guard-not-ready names them and why.' },
    };
    app.openapi(createRoute({ method: 'get', path, responses }), async (context) =>
      answerReadiness(context, await readiness((work) => context.executionCtx.waitUntil(work))),
    );
  }
}

/** Answers a readiness check. */
export function answerReadiness(context: Context<AppEnv>, { missing, degraded }: Readiness): Response {
  if (degraded.length > 0) context.header('x-guard-degraded', degraded.join(', '));
  if (missing.length === 0) return context.body(null, 200);
  context.header('x-guard-not-ready', missing.join(', '));
  return context.body(null, 400);
}

/** Checks anew where the last check began a while ago; until that one has ended, what was found before it still counts. */
function recentReadiness(
  check: (waitUntil: WaitUntil) => Promise<Readiness>,
): (waitUntil: WaitUntil) => Promise<Readiness> {
  // Values, not promises: a promise of one request must not be awaited by another that outlives it.
  let checkedAt = Number.NEGATIVE_INFINITY;
  let found: Readiness | undefined;
  return async (waitUntil) => {
    const now = Date.now();
    if (found !== undefined && now - checkedAt < readinessAgeMs) return found;
    checkedAt = now;
    found = await check(waitUntil);
    return found;
  };
}

// The middleware that every request passes: who calls, whether it may, and how often.
import { createMiddleware } from 'hono/factory';
import type { GuardMetrics } from '../guard/guard-metrics.ts';
import type { AppEnv } from '../routes/app-env.ts';
import { refuseForeignPage } from './foreign-page.ts';
import type { Access } from './identify.ts';
import { requireScope } from './principal.ts';
import { type RateLimiting, takeRequest } from './rate-limits.ts';
import { routeScope } from './route-scopes.ts';

/** Whom to let pass, and how often. */
interface AuthorizeOptions extends Omit<RateLimiting, 'onFailure'> {
  readonly access: Access;
  readonly services: { readonly metrics: Pick<GuardMetrics, 'rateLimitFailures'> };
}

/** Lets a request pass that shows what its route needs, and tells the route who called. */
export function authorize({ access, services, rateLimits, rateLimitFailure }: AuthorizeOptions) {
  const onFailure = (outcome: 'allowed' | 'blocked') =>
    services.metrics.rateLimitFailures.inc({ policy_outcome: outcome });
  const limiting = { rateLimits, rateLimitFailure, onFailure };
  return createMiddleware<AppEnv>(async (context, next) => {
    const needed = routeScope(context);
    if (needed === 'open') return next();
    const principal = await access.identify(context.req.header('authorization'));
    context.set('principal', principal);
    refuseForeignPage(context.req.raw, principal);
    // What is refused counts too: whoever tries doors is held up as any other.
    const policy = await takeRequest(principal, limiting);
    if (needed !== 'any') requireScope(principal, needed);
    await next();
    if (policy !== undefined) context.res.headers.set('ratelimit-policy', policy);
  });
}

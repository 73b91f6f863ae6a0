// The middleware that every request passes: who calls, and whether it may.
import { createMiddleware } from 'hono/factory';
import type { AppEnv } from '../routes/app-env.ts';
import { type Principal, requireScope } from './principal.ts';
import { routeScope } from './route-scopes.ts';

/** Finds out who calls. */
export interface Access {
  /**
   * @param authorization the header as it came
   * @throws GuardError `unauthorized`, or `credentials_unavailable` where nobody can say at the moment
   */
  identify(authorization: string | undefined): Promise<Principal>;
}

/** Lets a request pass that shows what its route needs, and tells the route who called. */
export function authorize(access: Access) {
  return createMiddleware<AppEnv>(async (context, next) => {
    const needed = routeScope(context);
    if (needed === 'open') return next();
    const principal = await access.identify(context.req.header('authorization'));
    context.set('principal', principal);
    if (needed !== 'any') requireScope(principal, needed);
    await next();
  });
}

// Which scope each route needs: the one table of it, which the OpenAPI document tells too.
import type { Context } from 'hono';
import { matchedRoutes } from 'hono/route';
import type { Scope } from '../../shared/contracts/api-key.ts';
import type { AppEnv } from '../routes/app-env.ts';

/** What a route asks of its caller: a scope, any credentials at all, or nothing. */
export type RouteScope = Scope | 'any' | 'open';

/** By method and path as the OpenAPI document has them. A route that does not stand here needs `admin`, and fails its test. */
export const routeScopes: Readonly<Record<string, RouteScope>> = {
  'GET /v2/health/live': 'open',
  'GET /healthz': 'open',
  'GET /livez': 'open',
  'GET /v2/health/ready': 'open',
  'GET /readyz': 'open',
  'GET /v2': 'any',
  'GET /v2/models/{model}': 'any',
  'GET /v2/models/{model}/versions/{version}': 'any',
  'GET /v2/models/{model}/ready': 'any',
  'GET /v2/models/{model}/versions/{version}/ready': 'any',
  'GET /openapi.json': 'any',
  'POST /v2/models/{model}/infer': 'infer',
  'POST /v2/models/{model}/versions/{version}/infer': 'infer',
  'GET /v1/models/{model}': 'any',
  'GET /v1/models/{model}/metadata': 'any',
  'GET /v1/models/{model}/versions/{version}': 'any',
  'GET /v1/models/{model}/versions/{version}/metadata': 'any',
  'POST /v1/models/{model}:predict': 'infer',
  'POST /v1/models/{model}/versions/{version}:predict': 'infer',
  'POST /v1/guard/verdicts': 'verdict',
  'POST /v1/screenings': 'screen',
  'GET /v1/screenings': 'screen',
  'GET /v1/screenings/{id}': 'screen',
  'POST /v1/screenings/{id}/cancel': 'screen',
  'DELETE /v1/screenings/{id}': 'screen',
  'PUT /v1/screenings/{id}/parts/{part}': 'screen',
  'POST /v1/screenings/{id}/complete': 'screen',
  'GET /v1/screenings/{id}/events': 'screen',
  'GET /v1/screenings/{id}/report': 'screen',
  'GET /v1/screenings/{id}/report.csv': 'screen',
  'GET /v1/screenings/{id}/report.html': 'screen',
  'GET /v1/verdicts': 'admin',
  'GET /v1/verdicts/export': 'admin',
  'GET /v1/policies': 'admin',
  'GET /v1/policies/{model}': 'admin',
  'PUT /v1/policies/{model}': 'admin',
  'POST /v1/policies/{model}/versions': 'admin',
  'POST /v1/policies/{model}/rollback': 'admin',
  'GET /v1/policies/{model}/versions': 'admin',
  'GET /v1/policies/{model}/versions/{version}': 'admin',
  'GET /v1/policies/{model}/diff': 'admin',
  'GET /v1/verdicts/{id}': 'admin',
  'POST /v1/verdicts/{id}/replay': 'admin',
  'GET /v1/keys/me': 'any',
  'POST /v1/keys': 'admin',
  'GET /v1/keys': 'admin',
  'GET /v1/keys/{id}': 'admin',
  'DELETE /v1/keys/{id}': 'admin',
  'GET /v1/models/{model}/drift': 'admin',
  'GET /v1/detectors': 'admin',
  'POST /v1/robustness-reports': 'admin',
  'GET /v1/robustness-reports': 'admin',
  'GET /v1/robustness-reports/{id}': 'admin',
  'GET /v1/robustness-reports/{id}/report.html': 'admin',
  'DELETE /v1/robustness-reports/{id}': 'admin',
  'GET /metrics': 'admin',
  'GET /dashboard': 'open',
  'GET /dashboard/{page}': 'open',
  'GET /dashboard/assets/{file}': 'open',
};

/** The same by what `routeKey` makes of them. */
const scopeByKey = new Map(
  Object.entries(routeScopes).map(([route, scope]) => [route.replace(/\{\w+\}/g, '*'), scope]),
);

/** What the route asks that this request was matched with, by its decoded path; `any` where there is no such route. */
export function routeScope(context: Context<AppEnv>): RouteScope {
  // Middleware is registered for all methods, a route for one.
  const route = matchedRoutes(context).find(({ method }) => method !== 'ALL');
  if (route === undefined) return 'any';
  let scope = scopeByRoute.get(route);
  if (scope === undefined) {
    scope = scopeByKey.get(routeKey(route)) ?? 'admin';
    scopeByRoute.set(route, scope);
  }
  return scope;
}

/** The same by the routes of an application, each looked up once. */
const scopeByRoute = new WeakMap<object, RouteScope>();

/** A route of the application without the names of its parameters: of `:action{[^/:]+:predict}` there stays `*:predict`. */
export function routeKey({ method, path }: { readonly method: string; readonly path: string }): string {
  return `${method} ${path.replace(/:\w+(?:\{\[[^\]]*\]\+([^}]*)\})?/g, '*$1')}`;
}

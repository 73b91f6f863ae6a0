// The description of every route, generated from the schemas that the routes themselves use and from the table of their scopes.
import { z } from '@hono/zod-openapi';
import packageJson from '../../package.json' with { type: 'json' };
import { type ErrorCode, errorTable } from '../../shared/errors.ts';
import { problemMediaType, problemSchema } from '../../shared/problem-response.ts';
import { type RouteScope, routeScopes } from '../access/route-scopes.ts';
import type { App } from './app-env.ts';

/** Refusals of credentials, which any route that asks for some can answer. */
const refusals = {
  401: { name: 'Unauthorized', codes: ['unauthorized'] },
  403: { name: 'Forbidden', codes: ['insufficient_scope', 'forbidden'] },
  429: { name: 'TooManyRequests', codes: ['too_many_requests'] },
  503: { name: 'CredentialsUnavailable', codes: ['credentials_unavailable'] },
} as const satisfies Record<number, { name: string; codes: readonly ErrorCode[] }>;

/** Adds `GET /openapi.json` (OpenAPI 3.1). It describes the routes that were added before it. */
export function addOpenapiRoute(app: App): void {
  const registry = app.openAPIRegistry;
  registry.registerComponent('securitySchemes', 'bearer', { type: 'http', scheme: 'bearer' });
  const { $schema: _, ...schema } = z.toJSONSchema(problemSchema);
  for (const { name, codes } of Object.values(refusals)) {
    const description = codes.map((code) => errorTable[code].title).join('; ');
    registry.registerComponent('responses', name, {
      description,
      content: { [problemMediaType]: { schema: schema as object } },
    });
  }
  app.get('/openapi.json', (context) => {
    const document = app.getOpenAPI31Document({
      openapi: '3.1.0',
      info: { title: packageJson.name, version: packageJson.version, description: packageJson.description },
    });
    for (const [path, operations] of Object.entries(document.paths ?? {})) {
      for (const [method, operation] of Object.entries(operations as Record<string, Operation>)) {
        describeAccess(operation, routeScopes[`${method.toUpperCase()} ${path}`] ?? 'admin');
      }
    }
    return context.json(document);
  });
}

interface Operation {
  security?: readonly Readonly<Record<string, readonly string[]>>[];
  responses: Record<string, unknown>;
}

/** Says what an operation asks of its caller, and adds the refusals that it does not describe itself. */
function describeAccess(operation: Operation, scope: RouteScope): void {
  operation.security = scope === 'open' ? [] : [{ bearer: scope === 'any' ? [] : [scope] }];
  if (scope === 'open') return;
  for (const [status, { name }] of Object.entries(refusals)) {
    operation.responses[status] ??= { $ref: `#/components/responses/${name}` };
  }
}

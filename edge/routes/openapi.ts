// The description of every route, generated from the schemas that the routes themselves use.

import packageJson from '../../package.json' with { type: 'json' };
import type { App } from './app-env.ts';

/** Adds `GET /openapi.json` (OpenAPI 3.1). It describes the routes that were added before it. */
export function addOpenapiRoute(app: App): void {
  app.openAPIRegistry.registerComponent('securitySchemes', 'bearer', { type: 'http', scheme: 'bearer' });
  app.get('/openapi.json', (context) => {
    const document = app.getOpenAPI31Document({
      openapi: '3.1.0',
      info: { title: packageJson.name, version: packageJson.version, description: packageJson.description },
      security: [{ bearer: [] }],
    });
    return context.json(document);
  });
}

// The audit for a collector of security events: JSON lines of OCSF, resumed behind the last line that arrived.

import { createRoute, z } from '@hono/zod-openapi';
import packageJson from '../../package.json' with { type: 'json' };
import { openCursor } from '../guard/audit-cursor.ts';
import { exportAudit } from '../guard/export-audit.ts';
import type { App, RouteDependencies } from './app-env.ts';
import { auditFilterSchema, readQuestion } from './audit-question.ts';
import { problemAnswers } from './problem-answers.ts';

const querySchema = auditFilterSchema.extend({ format: z.enum(['ocsf']).default('ocsf') });

/** Adds the route; it must come before that of one verdict, whose path would match it. */
export function addVerdictExportRoute(app: App, { services }: Pick<RouteDependencies, 'services'>): void {
  app.openAPIRegistry.registerPath(
    createRoute({
      method: 'get',
      path: '/v1/verdicts/export',
      request: { query: querySchema },
      responses: {
        200: {
          description:
            'Verdicts, oldest first, one Detection Finding (OCSF 1.6.0, class 2004) a line; `unmapped.cursor` resumes behind its line.',
          content: { 'application/x-ndjson': { schema: z.string() } },
        },
        ...problemAnswers('malformed_request', 'unauthorized', 'forbidden'),
      },
    }),
  );
  app.get('/v1/verdicts/export', async (context) => {
    const { cursor, format: _only, ...filter } = readQuestion(querySchema, context);
    const scope = { ...filter, order: 'oldest' } as const;
    const after = cursor === undefined ? undefined : await openCursor(cursor, scope, services.noiseKey);
    const product = { name: packageJson.name, version: packageJson.version };
    const lines = exportAudit({ filter, after, product }, services);
    return context.body(lines, 200, { 'content-type': 'application/x-ndjson' });
  });
}

// The report of a screening, as JSON, as CSV of the suspects, and as a page.
import { createRoute, z } from '@hono/zod-openapi';
import { screeningReportSchema } from '../../shared/contracts/screening-report.ts';
import { GuardError } from '../../shared/errors.ts';
import { screeningPagePolicy } from '../../shared/screening-report/screening-page.ts';
import { objectKeys } from '../screening/job-objects.ts';
import type { App, RouteDependencies } from './app-env.ts';
import { problemAnswers } from './problem-answers.ts';
import { findJob, jobErrors, jobParams } from './screenings.ts';

const text = z.string();

/** The kinds of a report by the last segment of their paths. */
const kinds = [
  { path: 'report', kind: 'json', type: 'application/json', schema: screeningReportSchema },
  { path: 'report.csv', kind: 'csv', type: 'text/csv; charset=utf-8', schema: text },
  { path: 'report.html', kind: 'html', type: 'text/html; charset=utf-8', schema: text },
] as const;

/** Adds the routes. */
export function addScreeningReportRoutes(app: App, { screening }: RouteDependencies): void {
  for (const { path, kind, type, schema } of kinds) {
    app.openAPIRegistry.registerPath(
      createRoute({
        method: 'get',
        path: `/v1/screenings/{id}/${path}`,
        request: { params: jobParams },
        responses: {
          200: { description: 'The report of a completed screening.', content: { [type]: { schema } } },
          ...problemAnswers(...jobErrors, 'conflict'),
        },
      }),
    );
    app.get(`/v1/screenings/:id/${path}`, async (context) => {
      const { id, state } = await findJob(context, screening);
      if (state !== 'completed') {
        throw new GuardError('conflict', `the screening is ${state}: only a completed one has a report`);
      }
      const body = await screening.objects.open(objectKeys.report(id, kind));
      if (body === undefined) throw new GuardError('internal', `the report of ${id} is gone`);
      const headers = {
        'content-type': type,
        'x-content-type-options': 'nosniff',
        'content-security-policy': screeningPagePolicy,
        ...(kind === 'csv' ? { 'content-disposition': `attachment; filename="${id}.csv"` } : {}),
      };
      return context.body(body, 200, headers);
    });
  }
}

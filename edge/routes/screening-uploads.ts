// The upload of a screening: parts in any order, again where one broke off, and the word that it is complete.
import { createRoute, z } from '@hono/zod-openapi';
import { uploadedPartSchema } from '../../shared/contracts/screening-job.ts';
import { completeUpload } from '../screening/complete-upload.ts';
import { describeJob } from '../screening/describe-job.ts';
import { receivePart } from '../screening/receive-part.ts';
import type { App, RouteDependencies } from './app-env.ts';
import { problemAnswers } from './problem-answers.ts';
import { findJob, jobAnswer, jobErrors, jobParams } from './screenings.ts';

/** Adds the routes. */
export function addScreeningUploadRoutes(app: App, { screening }: RouteDependencies): void {
  const register = app.openAPIRegistry.registerPath.bind(app.openAPIRegistry);
  register(
    createRoute({
      method: 'put',
      path: '/v1/screenings/{id}/parts/{part}',
      request: {
        params: jobParams.extend({ part: z.string() }),
        query: z.object({ file: z.string().optional() }),
        body: {
          required: true,
          content: { 'application/octet-stream': { schema: z.string().describe('The bytes of the part.') } },
        },
      },
      responses: {
        200: {
          description: 'The part lies in the bucket.',
          content: { 'application/json': { schema: uploadedPartSchema } },
        },
        ...problemAnswers(...jobErrors, 'malformed_request', 'body_too_large', 'conflict'),
      },
    }),
  );
  app.put('/v1/screenings/:id/parts/:part', async (context) => {
    const job = await findJob(context, screening);
    const received = {
      part: context.req.param('part'),
      file: context.req.query('file'),
      contentLength: context.req.header('content-length'),
      body: context.req.raw.body,
    };
    return context.json(await receivePart(job, received, screening), 200);
  });

  register(
    createRoute({
      method: 'post',
      path: '/v1/screenings/{id}/complete',
      request: { params: jobParams },
      responses: {
        202: { ...jobAnswer, description: 'The job runs.' },
        ...problemAnswers(...jobErrors, 'body_too_large', 'conflict'),
      },
    }),
  );
  app.post('/v1/screenings/:id/complete', async (context) => {
    await completeUpload(await findJob(context, screening), screening);
    return context.json(await describeJob(await findJob(context, screening), screening), 202);
  });
}

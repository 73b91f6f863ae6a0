// Screening jobs: made, listed, watched, cancelled, deleted.
import { createRoute, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import {
  screeningJobSchema,
  screeningListSchema,
  screeningRequestSchema,
} from '../../shared/contracts/screening-job.ts';
import { GuardError } from '../../shared/errors.ts';
import { parseJson } from '../../shared/oip/parse-json.ts';
import { webhookTarget } from '../../shared/webhook/webhook-target.ts';
import { isForModel } from '../access/principal.ts';
import { screeningRefusal } from '../clients/no-gpu-worker.ts';
import { createJob } from '../screening/create-job.ts';
import { describeJob } from '../screening/describe-job.ts';
import { isJobId } from '../screening/job-id.ts';
import type { StoredJob } from '../screening/job-store.ts';
import type { ScreeningServices } from '../screening/screening-services.ts';
import { removeJob, takeOver } from '../screening/take-over.ts';
import type { App, AppEnv, RouteDependencies } from './app-env.ts';
import { problemAnswers } from './problem-answers.ts';
import { configuredModel, receiveBody } from './receive-body.ts';

export const jobParams = z.object({ id: z.string() });

/** The job as it stands, as the routes answer it. */
export const jobAnswer = {
  description: 'The job as it stands.',
  content: { 'application/json': { schema: screeningJobSchema } },
};

/** Errors that every route of jobs can end in. */
export const jobErrors = ['unauthorized', 'forbidden', 'not_found'] as const;

/** Jobs of one page of the list. */
const listedJobsMax = 100;

/** Adds the routes. */
export function addScreeningRoutes(app: App, { models, screening }: RouteDependencies): void {
  const { jobs } = screening;
  describeRoutes(app);

  app.post('/v1/screenings', async (context) => {
    const idempotencyKey = readIdempotencyKey(context);
    const request = readScreeningRequest(parseJson(await receiveBody(context)));
    configuredModel(context, models, request.model);
    if (!screening.hasGpuWorker) throw screeningRefusal();
    if (request.webhook !== undefined) requireWebhook(request.webhook, screening);
    const job = await createJob(jobs, { idempotencyKey, request });
    const location = `/v1/screenings/${job.id}`;
    return context.json(await describeJob(job, screening), 202, { location });
  });

  app.get('/v1/screenings', async (context) => {
    const { limit, after } = readPage(context);
    const page = await jobs.list({ limit: limit + 1, after });
    const principal = context.get('principal');
    // Of other models nothing is told: a page of a caller that is for some alone may have fewer jobs than it asked for.
    const told = page.slice(0, limit).filter(({ request }) => isForModel(principal, request.model));
    const screenings = await Promise.all(told.map((job) => describeJob(job, screening)));
    const nextCursor = page.length > limit ? page[limit - 1].id : null;
    return context.json({ screenings, next_cursor: nextCursor }, 200);
  });

  app.get('/v1/screenings/:id', async (context) => {
    const job = await findJob(context, screening);
    // Whoever waits for a job whose run has died brings it on.
    if (job.state === 'running' && job.leaseUntil < Date.now()) await takeOver(job.id, screening);
    return context.json(await describeJob(job, screening), 200);
  });

  app.post('/v1/screenings/:id/cancel', async (context) => {
    const { id, state } = await findJob(context, screening);
    if (state === 'completed' || state === 'failed') {
      throw new GuardError('conflict', `the screening is ${state} already`);
    }
    await jobs.cancel(id);
    await takeOver(id, screening);
    return context.json(await describeJob(await findJob(context, screening), screening), 200);
  });

  app.delete('/v1/screenings/:id', async (context) => {
    const { id } = await findJob(context, screening);
    await removeJob(id, screening);
    return context.body(null, 204);
  });
}

/**
 * The job that the path names.
 * @throws GuardError `not_found`
 */
export async function findJob(
  context: Context<AppEnv>,
  { jobs }: Pick<ScreeningServices, 'jobs'>,
): Promise<StoredJob> {
  const id = context.req.param('id') ?? '';
  const job = isJobId(id) ? await jobs.read(id) : undefined;
  const isTold = job !== undefined && isForModel(context.get('principal'), job.request.model);
  if (isTold && job.state !== 'deleted') return job;
  throw new GuardError('not_found', 'there is no screening of this id');
}

/** @throws GuardError `malformed_request` where it may not be called, or nothing would sign what it is told */
function requireWebhook(url: string, { webhook }: ScreeningServices): void {
  if (webhook === undefined) {
    throw new GuardError('malformed_request', '/webhook: no secret is configured that signs webhooks');
  }
  webhookTarget(url, webhook.policy);
}

function readIdempotencyKey(context: Context<AppEnv>): string {
  const key = context.req.header('idempotency-key') ?? '';
  if (/^[\x21-\x7e]{1,255}$/.test(key)) return key;
  const detail = 'a header Idempotency-Key is needed, of 1 to 255 visible characters';
  throw new GuardError('malformed_request', detail, { places: [{ pointer: 'idempotency-key', detail }] });
}

function readScreeningRequest(json: unknown) {
  const parsed = screeningRequestSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const places = parsed.error.issues.slice(0, 8).map((issue) => {
    return { pointer: `/${issue.path.map(String).join('/')}`, detail: issue.message.slice(0, 200) };
  });
  const detail = `${places[0].pointer}: ${places[0].detail}`;
  throw new GuardError('malformed_request', detail, { places });
}

function readPage(context: Context<AppEnv>): { limit: number; after: string | undefined } {
  const { limit = String(listedJobsMax), cursor } = context.req.query();
  const asked = /^\d{1,3}$/.test(limit) ? Number(limit) : 0;
  if (asked < 1 || asked > listedJobsMax) {
    throw new GuardError('malformed_request', `limit is a number from 1 to ${listedJobsMax}`);
  }
  if (cursor !== undefined && !isJobId(cursor)) {
    throw new GuardError('malformed_request', 'cursor is not one that the list gave');
  }
  return { limit: asked, after: cursor };
}

function describeRoutes(app: App): void {
  const register = app.openAPIRegistry.registerPath.bind(app.openAPIRegistry);
  const request = { params: jobParams };
  register(
    createRoute({
      method: 'post',
      path: '/v1/screenings',
      request: {
        headers: z.object({ 'idempotency-key': z.string() }),
        body: { required: true, content: { 'application/json': { schema: screeningRequestSchema } } },
      },
      responses: {
        202: { ...jobAnswer, description: 'The job, new or made earlier with this key.' },
        ...problemAnswers('malformed_request', 'unauthorized', 'forbidden', 'unknown_model', 'conflict'),
      },
    }),
  );
  register(
    createRoute({
      method: 'get',
      path: '/v1/screenings',
      request: { query: z.object({ limit: z.string().optional(), cursor: z.string().optional() }) },
      responses: {
        200: {
          description: 'Jobs, latest first.',
          content: { 'application/json': { schema: screeningListSchema } },
        },
        ...problemAnswers('malformed_request', 'unauthorized', 'forbidden'),
      },
    }),
  );
  register(
    createRoute({
      method: 'get',
      path: '/v1/screenings/{id}',
      request,
      responses: { 200: jobAnswer, ...problemAnswers(...jobErrors) },
    }),
  );
  register(
    createRoute({
      method: 'post',
      path: '/v1/screenings/{id}/cancel',
      request,
      responses: { 200: jobAnswer, ...problemAnswers(...jobErrors, 'conflict') },
    }),
  );
  register(
    createRoute({
      method: 'delete',
      path: '/v1/screenings/{id}',
      request,
      responses: {
        204: { description: 'The job and all of its data are gone.' },
        ...problemAnswers(...jobErrors),
      },
    }),
  );
}

// The audit: listing verdicts, reading one back, and scoring its request again.

import { createRoute, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { type AuditPageBody, auditPageSchema } from '../../shared/contracts/audit.ts';
import { verdictSchema } from '../../shared/contracts/verdict.ts';
import { GuardError } from '../../shared/errors.ts';
import { isForModel } from '../access/principal.ts';
import type { AuditEntry, AuditStore } from '../clients/audit-store.ts';
import { openCursor, sealCursor } from '../guard/audit-cursor.ts';
import { decodeMedia } from '../guard/decode-media.ts';
import { replaySchema, replayVerdict } from '../guard/replay-verdict.ts';
import { isVerdictId } from '../guard/verdict-id.ts';
import type { App, AppEnv, RouteDependencies } from './app-env.ts';
import { auditPageQuerySchema, readQuestion } from './audit-question.ts';
import { inferenceBody } from './infer.ts';
import { guardErrors, problemAnswers } from './problem-answers.ts';
import { findModel, receiveBody } from './receive-body.ts';
import { addVerdictExportRoute } from './verdict-export.ts';

const params = z.object({ id: z.string() });

/** Adds the routes of the audit. */
export function addVerdictRoutes(app: App, dependencies: RouteDependencies): void {
  const { services } = dependencies;
  addListRoute(app, dependencies);
  addVerdictExportRoute(app, dependencies);
  const readRoute = createRoute({
    method: 'get',
    path: '/v1/verdicts/{id}',
    request: { params },
    responses: {
      200: {
        description: 'The verdict as it was recorded.',
        content: { 'application/json': { schema: verdictSchema } },
      },
      ...problemAnswers('unauthorized', 'forbidden', 'not_found'),
    },
  });
  app.openAPIRegistry.registerPath(readRoute);
  app.get('/v1/verdicts/:id', async (context) => {
    const { verdict } = await findEntry(context, services.audit);
    return context.json(verdict, 200);
  });

  const replayRoute = createRoute({
    method: 'post',
    path: '/v1/verdicts/{id}/replay',
    request: { params, body: inferenceBody },
    responses: {
      200: {
        description: 'The recorded scores beside those of now.',
        content: { 'application/json': { schema: replaySchema } },
      },
      ...problemAnswers(...guardErrors, 'forbidden', 'not_found', 'conflict'),
    },
  });
  app.openAPIRegistry.registerPath(replayRoute);
  app.post('/v1/verdicts/:id/replay', async (context) => {
    const body = await receiveBody(context);
    const entry = await findEntry(context, services.audit);
    const model = await findModel(context, dependencies, entry.model);
    const trace = context.get('trace');
    const received = { body, headers: context.req.raw.headers };
    const message = await decodeMedia(received, { model, trace, waits: false }, services);
    const call = { recorded: entry.verdict, model, ...message, trace };
    return context.json(await replayVerdict(call, services), 200);
  });
}

function addListRoute(app: App, { services }: Pick<RouteDependencies, 'services'>): void {
  app.openAPIRegistry.registerPath(
    createRoute({
      method: 'get',
      path: '/v1/verdicts',
      request: { query: auditPageQuerySchema },
      responses: {
        200: {
          description: 'Verdicts, newest first.',
          content: { 'application/json': { schema: auditPageSchema } },
        },
        ...problemAnswers('malformed_request', 'unauthorized', 'forbidden'),
      },
    }),
  );
  app.get('/v1/verdicts', async (context) => {
    const { cursor, limit, ...filter } = readQuestion(auditPageQuerySchema, context);
    const scope = { ...filter, order: 'newest' } as const;
    const after = cursor === undefined ? undefined : await openCursor(cursor, scope, services.noiseKey);
    // One more than is shown says whether there is more.
    const found = await services.audit.list({ ...scope, after, limit: limit + 1 });
    const shown = found.slice(0, limit);
    const last = shown.at(-1)?.verdict;
    const page: AuditPageBody = {
      verdicts: shown.map(({ verdict, model, principal, requestDigest }) => {
        return { model, principal, request_digest: requestDigest, verdict };
      }),
      next:
        found.length > limit && last !== undefined ? await sealCursor(last, scope, services.noiseKey) : null,
    };
    return context.json(page, 200);
  });
}

/** The entry that the path names; of a model that is not the caller's there is none. */
async function findEntry(context: Context<AppEnv>, audit: AuditStore): Promise<AuditEntry> {
  const id = context.req.param('id') ?? '';
  const entry = isVerdictId(id) ? await audit.read(id) : undefined;
  if (entry !== undefined && isForModel(context.get('principal'), entry.model)) return entry;
  throw new GuardError('not_found', 'there is no verdict of this id');
}

// Robustness reports of models, as `nccr-guard model evaluate` writes them: sent in, listed, read, deleted.
import { createRoute, z } from '@hono/zod-openapi';
import {
  type RobustnessReport,
  type RobustnessSummary,
  robustnessListSchema,
  robustnessReportSchema,
  robustnessSummarySchema,
} from '../../shared/contracts/robustness-report.ts';
import { GuardError } from '../../shared/errors.ts';
import { sha256Digest } from '../../shared/noise/noise-key.ts';
import { parseJson } from '../../shared/oip/parse-json.ts';
import { robustnessPage, robustnessPagePolicy } from '../../shared/robustness-report/robustness-page.ts';
import type { ListedReports, RobustnessStore } from '../clients/robustness-store.ts';
import { timedUuid } from '../clients/timed-uuid.ts';
import type { App, RouteDependencies } from './app-env.ts';
import { problemAnswers } from './problem-answers.ts';
import { receiveBody } from './receive-body.ts';

const path = '/v1/robustness-reports';

/** Reports of one page of the list. */
const listedReportsMax = 100;
const idPattern = /^rob_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Adds the routes. */
export function addRobustnessRoutes(app: App, dependencies: RouteDependencies): void {
  const { robustness } = dependencies;
  describeRoutes(app);

  app.post(path, async (context) => {
    const bytes = await receiveBody(context);
    const report = readReport(parseJson(bytes));
    const now = Date.now();
    const { stored, isNew } = await robustness.create(
      {
        id: `rob_${timedUuid(now)}`,
        digest: await sha256Digest(bytes),
        created_at: new Date(now).toISOString(),
        created_by: context.get('principal').id,
        ...describeReport(report),
      },
      bytes,
    );
    return context.json(stored, isNew ? 201 : 200, { location: `${path}/${stored.id}` });
  });

  app.get(path, async (context) => {
    const { limit, after, model } = readPage(context.req.query());
    const page = await robustness.list({ limit: limit + 1, after, model });
    const nextCursor = page.length > limit ? page[limit - 1].id : null;
    return context.json({ reports: page.slice(0, limit), next_cursor: nextCursor }, 200);
  });

  app.get(`${path}/:id`, async (context) => {
    const bytes = await storedReport(robustness, context.req.param('id'));
    const headers = { 'content-type': 'application/json', 'x-content-type-options': 'nosniff' };
    return context.body(bytes, 200, headers);
  });

  app.get(`${path}/:id/report.html`, async (context) => {
    const bytes = await storedReport(robustness, context.req.param('id'));
    const page = await robustnessPage(robustnessReportSchema.parse(parseJson(bytes)));
    return context.body(page, 200, {
      'content-type': 'text/html; charset=utf-8',
      'x-content-type-options': 'nosniff',
      'content-security-policy': robustnessPagePolicy,
    });
  });

  app.delete(`${path}/:id`, async (context) => {
    const id = context.req.param('id');
    if (!idPattern.test(id) || !(await robustness.remove(id))) throw noReport();
    return context.body(null, 204);
  });
}

function noReport(): GuardError {
  return new GuardError('not_found', 'there is no robustness report of this id');
}

/** @throws GuardError `not_found` */
async function storedReport(robustness: RobustnessStore, id: string): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = idPattern.test(id) ? await robustness.read(id) : undefined;
  if (bytes === undefined) throw noReport();
  return bytes;
}

/** @throws GuardError `malformed_request` that names what is wrong */
function readReport(json: unknown): RobustnessReport {
  const parsed = robustnessReportSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const places = parsed.error.issues.slice(0, 8).map((issue) => {
    return { pointer: `/${issue.path.map(String).join('/')}`, detail: issue.message.slice(0, 200) };
  });
  const detail = `not a robustness report: ${places[0].pointer}: ${places[0].detail}`;
  throw new GuardError('malformed_request', detail, { places });
}

/** What the list shows of a report. */
function describeReport({
  created_at,
  dataset,
  noise,
  models,
}: RobustnessReport): Omit<RobustnessSummary, 'id' | 'digest' | 'created_at' | 'created_by'> {
  return {
    made_at: created_at,
    dataset: { name: dataset.name, images: dataset.images },
    epsilon: noise.epsilon,
    sets: noise.sets,
    models: models.map(({ name, digest, relative, l2, accuracy }) => ({
      name,
      digest,
      relative: { mean: relative.mean, ci95: relative.ci95 },
      l2: { mean: l2.mean, ci95: l2.ci95 },
      clean: accuracy.clean,
      pgd: accuracy.pgd,
    })),
  };
}

function readPage({
  limit = String(listedReportsMax),
  cursor,
  model,
}: Readonly<Record<string, string>>): ListedReports {
  const asked = /^\d{1,3}$/.test(limit) ? Number(limit) : 0;
  if (asked < 1 || asked > listedReportsMax) {
    throw new GuardError('malformed_request', `limit is a number from 1 to ${listedReportsMax}`);
  }
  if (cursor !== undefined && !idPattern.test(cursor)) {
    throw new GuardError('malformed_request', 'cursor is not one that the list gave');
  }
  if (model !== undefined && !/^sha256:[0-9a-f]{64}$/.test(model)) {
    throw new GuardError('malformed_request', 'model is the digest of a file, sha256:…');
  }
  return { limit: asked, after: cursor, model };
}

function describeRoutes(app: App): void {
  const register = app.openAPIRegistry.registerPath.bind(app.openAPIRegistry);
  const json = (schema: z.ZodType) => ({ content: { 'application/json': { schema } } });
  const request = { params: z.object({ id: z.string() }) };
  register(
    createRoute({
      method: 'post',
      path,
      request: { body: { required: true, ...json(robustnessReportSchema) } },
      responses: {
        200: {
          description: 'These bytes are stored already, as this report.',
          ...json(robustnessSummarySchema),
        },
        201: { description: 'The report is stored.', ...json(robustnessSummarySchema) },
        ...problemAnswers('malformed_request', 'body_too_large'),
      },
    }),
  );
  const query = z.object({
    limit: z.string().optional(),
    cursor: z.string().optional(),
    model: z.string().optional().describe('Digest of a model’s file: reports that measured it.'),
  });
  register(
    createRoute({
      method: 'get',
      path,
      request: { query },
      responses: {
        200: { description: 'Reports, latest first.', ...json(robustnessListSchema) },
        ...problemAnswers('malformed_request'),
      },
    }),
  );
  register(
    createRoute({
      method: 'get',
      path: `${path}/{id}`,
      request,
      responses: {
        200: { description: 'The report, byte for byte as it was sent.', ...json(robustnessReportSchema) },
        ...problemAnswers('not_found'),
      },
    }),
  );
  register(
    createRoute({
      method: 'get',
      path: `${path}/{id}/report.html`,
      request,
      responses: {
        200: { description: 'The report as a page.', content: { 'text/html': { schema: z.string() } } },
        ...problemAnswers('not_found'),
      },
    }),
  );
  register(
    createRoute({
      method: 'delete',
      path: `${path}/{id}`,
      request,
      responses: { 204: { description: 'It is gone.' }, ...problemAnswers('not_found') },
    }),
  );
}

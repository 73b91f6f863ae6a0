// Policies: drafted, published as immutable versions, compared and rolled back.
import { createRoute, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import {
  type Policy,
  type PolicyVersion,
  policyDiffSchema,
  policyListSchema,
  policyRollbackSchema,
  policySchema,
  policyStateSchema,
  policyVersionListSchema,
  policyVersionSchema,
} from '../../shared/contracts/policy.ts';
import { GuardError } from '../../shared/errors.ts';
import { parseJson } from '../../shared/oip/parse-json.ts';
import { policyChanges } from '../guard/policy-changes.ts';
import {
  configuredVersion,
  type PolicyWork,
  policyState,
  policyVersion,
  publishDraft,
  restoreVersion,
  saveDraft,
} from '../guard/policy-versions.ts';
import type { App, AppEnv, RouteDependencies } from './app-env.ts';
import { problemAnswers } from './problem-answers.ts';
import { configuredModel, receiveBody } from './receive-body.ts';

const params = z.object({ model: z.string() });
/** Versions of one page. */
const listedVersionsMax = 100;
const errors = ['unauthorized', 'forbidden', 'unknown_model'] as const;

/** Adds the routes. */
export function addPolicyRoutes(app: App, { models, services }: RouteDependencies): void {
  describeRoutes(app);
  const work = (context: Context<AppEnv>): PolicyWork => ({
    model: configuredModel(context, models, context.req.param('model') ?? ''),
    by: context.get('principal').id,
    ifMatch: context.req.header('if-match'),
  });
  const answerState = async (context: Context<AppEnv>) => {
    const { state, etag } = await policyState(work(context), services);
    return context.json(state, 200, { etag });
  };
  const answerPublished = (context: Context<AppEnv>, published: PolicyVersion) => {
    const location = `/v1/policies/${published.model}/versions/${published.version}`;
    return context.json(published, 201, { location });
  };

  app.get('/v1/policies', async (context) => {
    const { models: own } = context.get('principal');
    const listed = Array.from(models.values()).filter(({ name }) => own === null || own.includes(name));
    const states = await Promise.all(listed.map((model) => policyState({ model }, services)));
    return context.json({ policies: states.map(({ state }) => state) }, 200);
  });
  app.get('/v1/policies/:model', answerState);
  app.put('/v1/policies/:model', async (context) => {
    const policy = readBody(policySchema, await receiveBody(context));
    await saveDraft(work(context), policy, services);
    return answerState(context);
  });
  app.post('/v1/policies/:model/versions', async (context) =>
    answerPublished(context, await publishDraft(work(context), services)),
  );
  app.post('/v1/policies/:model/rollback', async (context) => {
    const { version } = readBody(policyRollbackSchema, await receiveBody(context));
    return answerPublished(context, await restoreVersion(work(context), version, services));
  });
  app.get('/v1/policies/:model/versions', async (context) => {
    const { model } = work(context);
    const asked = context.req.query('below');
    const below = asked === undefined ? Number.MAX_SAFE_INTEGER : readNumber('below', asked);
    const page = { below, limit: listedVersionsMax };
    const versions = await services.policyStore.versions(model.name, page);
    const isLast = versions.length < listedVersionsMax;
    return context.json(
      { versions: [...versions, ...(isLast && below > 0 ? [configuredVersion(model)] : [])] },
      200,
    );
  });
  app.get('/v1/policies/:model/versions/:version', async (context) => {
    const version = readNumber('version', context.req.param('version'));
    return context.json(await policyVersion(work(context).model, version, services), 200);
  });
  app.get('/v1/policies/:model/diff', async (context) => {
    const { model } = work(context);
    const { state } = await policyState({ model }, services);
    const side = async (name: 'from' | 'to', usual: number | 'draft') => {
      const asked = context.req.query(name);
      const at = asked === undefined ? usual : asked === 'draft' ? asked : readNumber(name, asked);
      const policy: Policy | undefined =
        at === 'draft' ? state.draft?.policy : (await policyVersion(model, at, services)).policy;
      if (policy === undefined) throw new GuardError('not_found', 'this policy has no draft');
      return { at, policy };
    };
    const [from, to] = await Promise.all([side('from', state.current.version), side('to', 'draft')]);
    const changes = policyChanges(from.policy, to.policy);
    return context.json({ model: model.name, from: from.at, to: to.at, changes }, 200);
  });
}

function readNumber(name: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new GuardError('malformed_request', `${name} is not the number of a version`);
}

function readBody<T>(schema: z.ZodType<T>, bytes: Uint8Array): T {
  const parsed = schema.safeParse(parseJson(bytes));
  if (parsed.success) return parsed.data;
  const places = parsed.error.issues.slice(0, 8).map((issue) => {
    return { pointer: `/${issue.path.map(String).join('/')}`, detail: issue.message.slice(0, 200) };
  });
  throw new GuardError('malformed_request', `${places[0].pointer}: ${places[0].detail}`, { places });
}

function describeRoutes(app: App): void {
  const json = <T extends z.ZodType>(description: string, schema: T) => {
    return { description, content: { 'application/json': { schema } } };
  };
  const body = <T extends z.ZodType>(schema: T) => {
    return { required: true, content: { 'application/json': { schema } } };
  };
  const headers = z.object({ 'if-match': z.string().optional() });
  const published = json('The new version, which guards the model from now on.', policyVersionSchema);
  const state = json('The version that guards the model, and the draft; with an ETag.', policyStateSchema);
  const routes = [
    createRoute({
      method: 'get',
      path: '/v1/policies',
      responses: {
        200: json('The policies of all models.', policyListSchema),
        ...problemAnswers('unauthorized', 'forbidden'),
      },
    }),
    createRoute({
      method: 'get',
      path: '/v1/policies/{model}',
      request: { params },
      responses: { 200: state, ...problemAnswers(...errors) },
    }),
    createRoute({
      method: 'put',
      path: '/v1/policies/{model}',
      request: { params, headers, body: body(policySchema) },
      responses: {
        200: state,
        ...problemAnswers(...errors, 'malformed_request', 'precondition_failed', 'precondition_required'),
      },
    }),
    createRoute({
      method: 'post',
      path: '/v1/policies/{model}/versions',
      request: { params, headers },
      responses: { 201: published, ...problemAnswers(...errors, 'conflict', 'precondition_failed') },
    }),
    createRoute({
      method: 'post',
      path: '/v1/policies/{model}/rollback',
      request: { params, headers, body: body(policyRollbackSchema) },
      responses: {
        201: published,
        ...problemAnswers(...errors, 'malformed_request', 'not_found', 'conflict', 'precondition_failed'),
      },
    }),
    createRoute({
      method: 'get',
      path: '/v1/policies/{model}/versions',
      request: { params, query: z.object({ below: z.string().optional() }) },
      responses: {
        200: json('Versions, latest first; version 0 is the last.', policyVersionListSchema),
        ...problemAnswers(...errors, 'malformed_request'),
      },
    }),
    createRoute({
      method: 'get',
      path: '/v1/policies/{model}/versions/{version}',
      request: { params: params.extend({ version: z.string() }) },
      responses: {
        200: json('The version.', policyVersionSchema),
        ...problemAnswers(...errors, 'not_found'),
      },
    }),
    createRoute({
      method: 'get',
      path: '/v1/policies/{model}/diff',
      request: { params, query: z.object({ from: z.string().optional(), to: z.string().optional() }) },
      responses: {
        200: json('What is changed between two versions, or to the draft.', policyDiffSchema),
        ...problemAnswers(...errors, 'malformed_request', 'not_found'),
      },
    }),
  ];
  for (const route of routes) app.openAPIRegistry.registerPath(route);
}

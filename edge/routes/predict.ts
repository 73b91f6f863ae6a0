// The filtering proxy for models whose server speaks TensorFlow Serving's REST API: predictions are guarded, the rest is read only.
import { createRoute, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { ErrorCode } from '../../shared/errors.ts';
import { problemSchema } from '../../shared/problem-response.ts';
import type { App, AppEnv, RouteDependencies } from './app-env.ts';
import { forwardMetadata } from './forward-metadata.ts';
import { guardRequest } from './guard-request.ts';
import { guardErrors, problemAnswers } from './problem-answers.ts';
import { configuredModel, findModel, modelPath } from './receive-body.ts';

const protocol = 'tensorflow-serving';

/**
 * Whether a path is one of TensorFlow Serving's, of a model or of what is not there. Its clients read JSON whose `error` is text, as
 * that of a problem is; drift is the guard's own.
 */
export function isTensorFlowServing(path: string): boolean {
  return path.startsWith('/v1/models/') && !/^\/v1\/models\/[^/]+\/drift$/.test(path);
}

const modelParams = z.object({ model: z.string() });
const versionParams = modelParams.extend({ version: z.string() });

/** The body as the OpenAPI document shows it; the guard itself reads it by hand. */
const predictBody = z.object({
  signature_name: z
    .string()
    .optional()
    .describe('`serving_default`, which is also meant where it is missing.'),
  instances: z.array(z.unknown()).optional().describe('Row by row, each as it is or under the input’s name.'),
  inputs: z.unknown().optional().describe('All rows of the input in one array, as it is or under its name.'),
});
const predictAnswer = z.object({ predictions: z.unknown().optional(), outputs: z.unknown().optional() });

/** Adds the routes of TensorFlow Serving, with and without a version. Others, such as `:classify`, could not be guarded. */
export function addPredictRoutes(app: App, dependencies: RouteDependencies): void {
  const { models } = dependencies;
  const predict = async (context: Context<AppEnv>, name: string, version?: string) => {
    const model = await findModel(context, dependencies, name);
    const path = `${modelPath(model, version, protocol)}:predict`;
    return guardRequest(context, dependencies, { model, path });
  };
  const describe = async (context: Context<AppEnv>, name: string, { version, of = '' }: Described) => {
    const path = modelPath(configuredModel(context, models, name), version, protocol);
    return forwardMetadata(context, dependencies, `${path}${of}`);
  };
  // A router reads a colon within a segment as part of its name: the pattern of the segment holds the action too.
  const nameOf = (segment: string) => segment.slice(0, -':predict'.length);
  app.post('/v1/models/:action{[^/:]+:predict}', (context) =>
    predict(context, nameOf(context.req.param('action'))),
  );
  app.post('/v1/models/:model{[^/:]+}/versions/:action{[^/:]+:predict}', (context) =>
    predict(context, context.req.param('model'), nameOf(context.req.param('action'))),
  );
  for (const suffix of ['', '/metadata'] as const) {
    app.get(`/v1/models/:model{[^/:]+}${suffix}`, (context) =>
      describe(context, context.req.param('model'), { of: suffix }),
    );
    app.get(`/v1/models/:model{[^/:]+}/versions/:version{[^/:]+}${suffix}`, (context) =>
      describe(context, context.req.param('model'), { of: suffix, version: context.req.param('version') }),
    );
  }
  describeRoutes(app);
}

/** What is asked of a model: its status, or more. */
interface Described {
  readonly version?: string;
  readonly of?: string;
}

const json = (schema: z.ZodType) => ({ content: { 'application/json': { schema } } });

/** Problems under the type that clients of this protocol read. */
function jsonProblems(...codes: readonly ErrorCode[]) {
  const answers = Object.entries(problemAnswers(...codes));
  return Object.fromEntries(
    answers.map(([status, { description }]) => [status, { description, ...json(problemSchema) }]),
  );
}

function describeRoutes(app: App): void {
  for (const [path, params] of [
    ['/v1/models/{model}', modelParams],
    ['/v1/models/{model}/versions/{version}', versionParams],
  ] as const) {
    app.openAPIRegistry.registerPath(
      createRoute({
        method: 'post',
        path: `${path}:predict`,
        request: { params, body: { required: true, ...json(predictBody) } },
        responses: {
          200: { description: 'The answer of the protected model, as it gave it.', ...json(predictAnswer) },
          ...jsonProblems(...guardErrors, 'blocked', 'upstream_unreachable', 'upstream_timeout'),
        },
      }),
    );
    for (const [of, description] of [
      ['', 'The state of the model’s versions as its server tells it.'],
      ['/metadata', 'Its signatures as its server tells them.'],
    ]) {
      app.openAPIRegistry.registerPath(
        createRoute({
          method: 'get',
          path: `${path}${of}`,
          request: { params },
          responses: {
            200: { description, ...json(z.record(z.string(), z.unknown())) },
            ...jsonProblems('unauthorized', 'unknown_model', 'upstream_unreachable', 'upstream_timeout'),
          },
        }),
      );
    }
  }
}

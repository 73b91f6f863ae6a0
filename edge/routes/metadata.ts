// What there is: the server's metadata, and the models' as the upstream tells it.

import { createRoute, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import packageJson from '../../package.json' with { type: 'json' };
import { modelMetadataSchema, serverMetadataSchema } from '../../shared/contracts/inference.ts';
import { checkReadiness } from '../guard/check-readiness.ts';
import type { App, AppEnv, RouteDependencies } from './app-env.ts';
import { forwardMetadata } from './forward-metadata.ts';
import { answerReadiness } from './health.ts';
import { problemAnswers } from './problem-answers.ts';
import { configuredModel, modelPath } from './receive-body.ts';

const modelParams = z.object({ model: z.string() });
const versionParams = modelParams.extend({ version: z.string() });

/** Adds the metadata routes. */
export function addMetadataRoutes(app: App, dependencies: RouteDependencies): void {
  const { models, services } = dependencies;
  const serverRoute = createRoute({
    method: 'get',
    path: '/v2',
    responses: {
      200: { description: 'The guard.', content: { 'application/json': { schema: serverMetadataSchema } } },
    },
  });
  app.openapi(serverRoute, (context) => {
    const { name, version } = packageJson;
    return context.json({ name, version, extensions: ['binary_tensor_data', 'nccr_guard'] }, 200);
  });

  const describe = async (context: Context<AppEnv>, name: string, version?: string) =>
    forwardMetadata(context, { services }, modelPath(configuredModel(context, models, name), version));
  const ready = async (context: Context<AppEnv>, name: string, version?: string) => {
    const model = configuredModel(context, models, name);
    const waitUntil = (work: Promise<unknown>) => context.executionCtx.waitUntil(work);
    // Of every model, whatever its server speaks.
    modelPath(model, version, model.protocol);
    return answerReadiness(context, await checkReadiness([model], { services, waitUntil }));
  };
  const described = {
    200: {
      description: 'The model as the upstream describes it.',
      content: { 'application/json': { schema: modelMetadataSchema } },
    },
    ...problemAnswers('unauthorized', 'unknown_model', 'upstream_unreachable', 'upstream_timeout'),
  };
  const readiness = {
    200: { description: 'The model can get a verdict.' },
    400: { description: 'It cannot; x-guard-not-ready says why.' },
    ...problemAnswers('unauthorized', 'unknown_model'),
  };
  for (const [path, params] of [
    ['/v2/models/{model}', modelParams],
    ['/v2/models/{model}/versions/{version}', versionParams],
  ] as const) {
    const request = { params };
    app.openAPIRegistry.registerPath(createRoute({ method: 'get', path, request, responses: described }));
    const readyPath = `${path}/ready` as const;
    app.openAPIRegistry.registerPath(
      createRoute({ method: 'get', path: readyPath, request, responses: readiness }),
    );
  }
  app.get('/v2/models/:model', (context) => describe(context, context.req.param('model')));
  app.get('/v2/models/:model/versions/:version', (context) =>
    describe(context, context.req.param('model'), context.req.param('version')),
  );
  app.get('/v2/models/:model/ready', (context) => ready(context, context.req.param('model')));
  app.get('/v2/models/:model/versions/:version/ready', (context) =>
    ready(context, context.req.param('model'), context.req.param('version')),
  );
}

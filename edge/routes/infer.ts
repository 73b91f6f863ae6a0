// The filtering proxy: inference requests of the Open Inference Protocol v2, guarded.

import { createRoute, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { inferenceRequestSchema, inferenceResponseSchema } from '../../shared/contracts/inference.ts';
import { mediaTypes } from '../../shared/contracts/media.ts';
import { clientTimeoutHeader } from '../guard/verdict-deadline.ts';
import type { App, AppEnv, RouteDependencies } from './app-env.ts';
import { guardRequest } from './guard-request.ts';
import { guardErrors, problemAnswers } from './problem-answers.ts';
import { findModel, modelPath } from './receive-body.ts';

const mediaFile = z.string().describe('One file, which becomes the model’s input of one row.');

/** The body of an inference request as the OpenAPI document shows it; the guard itself reads it by hand. */
export const inferenceBody = {
  required: true,
  content: {
    'application/json': { schema: inferenceRequestSchema },
    'application/octet-stream': {
      schema: z.string().describe('JSON part and tensors of the binary extension.'),
    },
    ...Object.fromEntries(mediaTypes.map((type) => [type, { schema: mediaFile }])),
  },
};

/** Headers of an inference request as the OpenAPI document shows them. */
export const inferenceHeaders = z.object({
  [clientTimeoutHeader]: z
    .string()
    .optional()
    .describe(
      'Milliseconds that the client waits for the verdict, 1 to 600000; at most what the policy gives counts.',
    ),
});

/** Adds the inference routes, with and without a version. */
export function addInferRoutes(app: App, dependencies: RouteDependencies): void {
  const infer = async (context: Context<AppEnv>, name: string, version?: string) => {
    const model = await findModel(context, dependencies, name);
    const path = `${modelPath(model, version)}/infer`;
    return guardRequest(context, dependencies, { model, path });
  };
  const responses = {
    200: {
      description: 'The answer of the protected model, as it gave it.',
      content: { 'application/json': { schema: inferenceResponseSchema } },
    },
    ...problemAnswers(...guardErrors, 'blocked', 'upstream_unreachable', 'upstream_timeout'),
  };
  for (const [path, params] of [
    ['/v2/models/{model}/infer', z.object({ model: z.string() })],
    ['/v2/models/{model}/versions/{version}/infer', z.object({ model: z.string(), version: z.string() })],
  ] as const) {
    const request = { params, headers: inferenceHeaders, body: inferenceBody };
    app.openAPIRegistry.registerPath(createRoute({ method: 'post', path, request, responses }));
  }
  app.post('/v2/models/:model/infer', (context) => infer(context, context.req.param('model')));
  app.post('/v2/models/:model/versions/:version/infer', (context) =>
    infer(context, context.req.param('model'), context.req.param('version')),
  );
}

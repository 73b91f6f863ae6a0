// Whether a model's clean scores have left those of its calibration.

import { createRoute, z } from '@hono/zod-openapi';
import { GuardError } from '../../shared/errors.ts';
import { driftStates } from '../clients/audit-figures.ts';
import { modelDrift } from '../guard/model-drift.ts';
import type { App, RouteDependencies } from './app-env.ts';
import { problemAnswers } from './problem-answers.ts';
import { configuredModel } from './receive-body.ts';

const driftSchema = z.object({
  model: z.string(),
  artefact: z.string().describe('Digest of the detector whose calibration and scores are compared.'),
  state: z
    .enum(driftStates)
    .describe('`too_few`: under 100 rows in 24 hours; `no_reference`: the artefact keeps no clean scores.'),
  rows: z.int().describe('Rows of late that were compared: those up to the detector’s own threshold.'),
  index: z.number().nullable().describe('Population stability index; 0 where nothing has changed.'),
  bound: z
    .number()
    .nullable()
    .describe('The model drifts where the index is greater; by chance once in a thousand.'),
  bins: z
    .array(z.object({ to: z.number().nullable(), share: z.number(), expected: z.number() }))
    .describe(
      'Share of the scores by bin and what the calibration expects; the last one ends at the threshold.',
    ),
});

/** Adds the route. */
export function addModelDriftRoute(app: App, { models, services }: RouteDependencies): void {
  app.openAPIRegistry.registerPath(
    createRoute({
      method: 'get',
      path: '/v1/models/{model}/drift',
      request: { params: z.object({ model: z.string() }) },
      responses: {
        200: {
          description: 'The clean scores of late against those of the calibration.',
          content: { 'application/json': { schema: driftSchema } },
        },
        ...problemAnswers('unauthorized', 'forbidden', 'unknown_model', 'detector_unavailable'),
      },
    }),
  );
  app.get('/v1/models/:model/drift', async (context) => {
    const { name, artefactKey } = configuredModel(context, models, context.req.param('model'));
    if (artefactKey === undefined) {
      throw new GuardError('detector_unavailable', 'no detector is configured for this model');
    }
    const { state, artefact, drift } = await modelDrift({ name, artefactKey }, services);
    const { rows = 0, index = null, bound = null, bins = [] } = drift ?? {};
    return context.json({ model: name, artefact, state, rows, index, bound, bins: [...bins] }, 200);
  });
}

// The detectors in use: what they were calibrated on, where their thresholds lie, and what attacks on them found.
import { createRoute } from '@hono/zod-openapi';
import {
  type DetectorList,
  type DetectorSummary,
  detectorListSchema,
  type GuardedModelSummary,
} from '../../shared/contracts/detector-summary.ts';
import { asGuardError } from '../../shared/errors.ts';
import type { LoadedArtefact } from '../clients/artefact-store.ts';
import type { App, RouteDependencies } from './app-env.ts';
import { problemAnswers } from './problem-answers.ts';
import { findModel } from './receive-body.ts';

/** Adds the route. */
export function addDetectorsRoute(app: App, dependencies: RouteDependencies): void {
  const { models, services } = dependencies;
  app.openAPIRegistry.registerPath(
    createRoute({
      method: 'get',
      path: '/v1/detectors',
      responses: {
        200: {
          description: 'Every configured model, its mode and its detector.',
          content: { 'application/json': { schema: detectorListSchema } },
        },
        ...problemAnswers('unauthorized', 'forbidden'),
      },
    }),
  );
  app.get('/v1/detectors', async (context) => {
    const summaries = Array.from(models.keys(), async (name): Promise<GuardedModelSummary> => {
      const { artefactKey, policy, policyVersion } = await findModel(context, dependencies, name);
      const summary = { model: name, mode: policy.mode, policy_version: policyVersion };
      if (artefactKey === undefined) return { ...summary, detector: null, failure: null };
      try {
        const detector = describeDetector(await services.artefacts.load(artefactKey));
        return { ...summary, detector, failure: null };
      } catch (thrown) {
        // One model without its detector must not hide the others.
        return { ...summary, detector: null, failure: asGuardError(thrown).code };
      }
    });
    const list: DetectorList = { models: await Promise.all(summaries) };
    return context.json(list, 200);
  });
}

function describeDetector({ key, digest, artefact, threshold, sequential }: LoadedArtefact): DetectorSummary {
  const { model, plan, vector, calibration } = artefact;
  return {
    name: artefact.name,
    version: artefact.version,
    created_at: artefact.created_at,
    artefact: digest,
    key,
    model_digest: model.digest,
    input_name: model.input_name,
    input_shape: model.input_shape,
    input_range: plan.input_range,
    classes: model.classes,
    design: vector.design,
    sequential: sequential !== undefined,
    threshold: {
      value: threshold.value,
      target_fpr: threshold.target_fpr,
      fpr_ci95: threshold.fpr_ci95,
      calibration_samples: threshold.calibration_samples,
      clean_quantiles: threshold.clean_quantiles ?? null,
    },
    calibration: {
      dataset: calibration.dataset,
      attacks: calibration.attacks,
      training_images: calibration.training.images,
      threshold_images: calibration.threshold.images,
      shifts: calibration.shifts ?? [],
    },
    card: artefact.card ?? null,
  };
}

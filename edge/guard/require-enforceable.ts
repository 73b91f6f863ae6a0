// A policy may enforce only what a detector can judge now.
import { asGuardError, GuardError } from '../../shared/errors.ts';
import { checkModel } from './check-readiness.ts';
import type { GuardedModel } from './current-policies.ts';
import type { GuardServices } from './guard-services.ts';

/**
 * Checks that a model has a detector whose signature holds, that reproduces its self-check, and that was calibrated for the very
 * model, noise key and plan that the gpu-worker serves.
 * @throws GuardError `conflict` that says what is missing
 */
export async function requireEnforceable(
  model: Pick<GuardedModel, 'name' | 'artefactKey'>,
  services: GuardServices,
): Promise<void> {
  try {
    await checkModel(model, services);
  } catch (thrown) {
    const { code, message, cause } = asGuardError(thrown);
    const reason = cause instanceof GuardError ? `${message}: ${cause.message}` : message;
    const detail = `the mode enforce needs a detector for the model that is served; ${code}: ${reason}`;
    throw new GuardError('conflict', detail, {
      cause: thrown,
      places: [{ pointer: '/mode', detail: reason }],
    });
  }
}

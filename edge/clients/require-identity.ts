// What a graph says it was made from, compared with what the detector was made for.
import { GuardError } from '../../shared/errors.ts';
import type { GraphIdentity } from '../../shared/noise/graph-identity.ts';

/**
 * Compares two identities.
 * @param runner who runs the graph, as errors name it
 * @throws GuardError `detector_unavailable` that says which part is another
 */
export function requireIdentity(said: GraphIdentity, expected: GraphIdentity, runner: string): void {
  if (said.modelDigest !== expected.modelDigest) {
    throw new GuardError(
      'detector_unavailable',
      'the detector was made for another model than the one that runs',
    );
  }
  if (said.noiseKeyId !== expected.noiseKeyId) {
    throw new GuardError('detector_unavailable', `${runner} runs with another noise key than the guard`);
  }
  if (said.planDigest !== expected.planDigest) {
    throw new GuardError(
      'detector_unavailable',
      `${runner} makes other copies than the detector was made for`,
    );
  }
}

// The transforms of a plan as they are run: as listed, or as the noise key draws them.
import type { ExtractionPlan } from '../../shared/contracts/extraction.ts';
import type { Transform } from '../../shared/contracts/transform.ts';
import { GuardError } from '../../shared/errors.ts';
import { drawTransforms } from '../../shared/noise/draw-transforms.ts';
import type { NoiseKey } from '../../shared/noise/noise-key.ts';

/**
 * Draws the transforms of a plan that names a key.
 * @throws GuardError `invalid_config` where that is another key
 */
export async function drawnTransforms(
  { transforms, transforms_key_id: keyId }: ExtractionPlan,
  noiseKey: NoiseKey,
): Promise<readonly Transform[]> {
  if (keyId === undefined || transforms.length === 0) return transforms;
  if (keyId !== noiseKey.id) {
    // A detector has learnt the transforms of one key; under another its threshold would mean nothing.
    const detail = `the plan's transforms are drawn by the noise key ${keyId}, this is ${noiseKey.id}`;
    throw new GuardError('invalid_config', detail);
  }
  return drawTransforms(noiseKey, transforms);
}

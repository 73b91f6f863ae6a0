import { describe, expect, it } from 'vitest';
import { hasSecret, secretCopies } from '../../../gpu-worker/attacks/copy-draws.ts';
import { type ExtractionPlan, extractionPlanSchema } from '../../../shared/contracts/extraction.ts';
import { linearPlan } from '../../helpers/linear-guard.ts';

const planOf = (parts: object): ExtractionPlan =>
  extractionPlanSchema.parse({ input_range: [0, 1], noise: [], taps: [], ...parts });

describe('what an attacker reckons with', () => {
  it('is a secret where there is noise or a key draws the transforms', () => {
    const transforms = [{ family: 'shift', dx: 1, dy: 0, edge: 'zeros' }];
    expect(hasSecret(linearPlan)).toBe(true);
    expect(hasSecret(planOf({ transforms }))).toBe(false);
    expect(hasSecret(planOf({ transforms, transforms_key_id: 'abc' }))).toBe(true);
  });

  it('is other noise in every draw where the noise is secret, of the same family and bound', async () => {
    const plan = planOf({ noise: [{ family: 'gaussian', epsilon: 0.3, rows: 4, copies: 2 }] });
    const draws = await (await secretCopies(plan, { draws: 5, seed: 1, inputSize: 400 }))(
      new Float32Array(400),
    );
    const rows = draws.flatMap(({ noise }) => noise);
    expect(rows).toHaveLength(10);
    expect(new Set(rows.map((row) => row.join())).size).toBe(10);
    const all = rows.flatMap((row) => [...row]);
    expect(Math.max(...all.map(Math.abs))).toBeLessThanOrEqual(Math.fround(0.3));
    // A normal of deviation 0.15 clipped at two deviations has a deviation of 0.1431 (by the truncated moments).
    expect(Math.sqrt(all.reduce((sum, value) => sum + value ** 2, 0) / all.length)).toBeCloseTo(0.143, 2);
  });
});

import { describe, expect, it } from 'vitest';
import { extractionPlanSchema } from '../../../shared/contracts/extraction.ts';
import { planVector, planVectorLength } from '../../../shared/maths/plan-vector.ts';

const segment = (epsilon: number, copies: number) => ({ family: 'gaussian', epsilon, rows: 8, copies });
const planOf = (levels: number) => ({
  input_range: [-1, 1],
  noise: [segment(0.001, 1), segment(0.004, 2)],
  taps: ['a', 'b'].map((tensor) => ({ kind: 'levels', tensor, levels })),
});
const plan = extractionPlanSchema.parse(planOf(2));
// The input, a copy of the first noise, two of the second: the label flips in one of these.
const logits = Float32Array.of(2, 1, 3, 1, 0, 1, 2, 0);
// Changes under each noise, then the size: of a, then of b.
const changes = Float32Array.of(0.5, 1, 2, 0, 0.25, 0.5);

describe('the vector of layers under several noises', () => {
  it('has each layer relative to its size and the flips, noise by noise, and the margin', () => {
    const vector = planVector({ logits, changes, plan, classes: 2 }, 'layer-levels');
    const expected = [
      Math.log(0.25 + 1e-6),
      Math.log(1e-6),
      0,
      Math.log(0.5 + 1e-6),
      Math.log(0.5 + 1e-6),
      0.5,
      1,
    ];
    expect(vector).toHaveLength(planVectorLength('layer-levels', { classes: 2, plan }));
    for (const [index, value] of expected.entries()) expect(vector[index]).toBeCloseTo(value, 6);
  });

  it('is finite where a layer is silent', () => {
    const silent = new Float32Array(6);
    const vector = planVector({ logits, changes: silent, plan, classes: 2 }, 'layer-levels');
    expect(vector.every(Number.isFinite)).toBe(true);
  });

  it('is refused without its taps, its noise or its changes', () => {
    const refuse = (other: object) => () =>
      planVector({ logits, changes, plan: { ...plan, ...other }, classes: 2 }, 'layer-levels');
    expect(refuse({ taps: [] })).toThrow(/needs taps of levels/);
    expect(refuse({ noise: [] })).toThrow(/needs copies with noise/);
    expect(() => planVector({ logits, plan, classes: 2 }, 'layer-levels')).toThrow(/given changes/);
    const short = changes.subarray(1);
    expect(() => planVector({ logits, changes: short, plan, classes: 2 }, 'layer-levels')).toThrow(/changes/);
    expect(extractionPlanSchema.safeParse(planOf(3)).error?.message).toMatch(/one a segment of the noise/);
  });
});

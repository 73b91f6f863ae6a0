// The direction of the activations: what it tells, and what a pool counts in it.
import { describe, expect, it } from 'vitest';
import { fitDirection } from '../../../gpu-worker/calibrate/fit-direction.ts';
import type { StagePool } from '../../../gpu-worker/calibrate/fit-stages.ts';
import { auroc } from '../../../shared/maths/auroc.ts';
import { normal, seededRandom } from '../../../shared/maths/random.ts';

const neurons = 4;

/** Rows of normal activations around a mean; nothing but these is read of them. */
function pool(
  adversarial: boolean,
  mean: readonly number[],
  { count = 200, mass = 1, seed = 1 } = {},
): StagePool {
  const random = seededRandom(seed + (adversarial ? 100 : 0));
  const changes = Float32Array.from(
    { length: count * neurons },
    (_, index) => mean[index % neurons] + normal(random),
  );
  return { adversarial, mass, parts: [{ count, changes } as unknown as StagePool['parts'][number]] };
}

function project(direction: Float32Array, { parts }: StagePool): number[] {
  const { changes, count } = parts[0];
  return Array.from({ length: count }, (_, row) =>
    direction.reduce((sum, weight, neuron) => sum + weight * changes![row * neurons + neuron], 0),
  );
}

describe('fitDirection', () => {
  const clean = pool(false, [0, 0, 0, 0]);
  const attacked = pool(true, [2, -1, 0, 0]);

  it('tells rows that it was not fitted to apart, as well as the line between the means can', () => {
    const direction = fitDirection([clean, attacked], 1);
    const others = [pool(true, [2, -1, 0, 0], { seed: 7 }), pool(false, [0, 0, 0, 0], { seed: 8 })];
    const [adversarial, plain] = others.map((rows) => project(direction, rows));
    // Two normal distributions sqrt(5) deviations apart: the area is Phi(sqrt(5 / 2)) = 0.943.
    expect(auroc(adversarial, plain)).toBeGreaterThan(0.92);
    expect(auroc(adversarial, plain)).toBeLessThan(0.965);
  });

  it('is the same for the same seed', () => {
    expect([...fitDirection([clean, attacked], 1)]).toEqual([...fitDirection([clean, attacked], 1)]);
  });

  it('counts a pool by its mass and not by its rows, and passes over a pool without rows', () => {
    const many = pool(true, [0, 0, 3, 0], { count: 800, mass: 0.01 });
    const few = pool(true, [0, 0, 0, 3], { count: 100, mass: 1 });
    const empty = { ...pool(true, [0, 0, 0, 0], { count: 0 }), mass: 5 };
    const direction = fitDirection([clean, many, few, empty], 1);
    expect(direction[3]).toBeGreaterThan(4 * Math.abs(direction[2]));
  });

  it('passes over a neuron that says the same of every row', () => {
    const dead = (rows: StagePool, value: number, neuron: number) => ({
      ...rows,
      parts: rows.parts.map((part) => ({
        ...part,
        changes: part.changes!.map((change, index) => (index % neurons === neuron ? value : change)),
      })),
    });
    const silent = [clean, attacked].map((rows) => dead(dead(rows, 0, 2), 0.7, 3));
    const [first, second, ...others] = fitDirection(silent, 1);
    expect(others).toEqual([0, 0]);
    expect(first).toBeGreaterThan(1);
    expect(second).toBeLessThan(-0.4);
  });

  it('keeps a neuron whose deviation is 1', () => {
    // By hand: -1 and 1 in equal numbers deviate by 1 from their mean of 0.
    const side = (adversarial: boolean): StagePool => {
      const changes = Float32Array.from({ length: 40 }, () => (adversarial ? 1 : -1));
      return {
        adversarial,
        mass: 1,
        parts: [{ count: 40, changes } as unknown as StagePool['parts'][number]],
      };
    };
    expect(fitDirection([side(false), side(true)], 1)[0]).toBeGreaterThan(1);
  });
});

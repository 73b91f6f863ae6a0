import { describe, expect, it } from 'vitest';
import { clipAdjoint, planesOf, transformAdjoint } from '../../../gpu-worker/attacks/transform-adjoint.ts';
import type { Transform } from '../../../shared/contracts/transform.ts';
import { normal, seededRandom } from '../../../shared/maths/random.ts';
import { transformInput } from '../../../shared/maths/transforms.ts';

const unbounded = [-1e6, 1e6] as const;

function drawn(size: number, seed: number): Float32Array {
  const random = seededRandom(seed);
  return Float32Array.from({ length: size }, () => normal(random));
}

function dot(left: Float32Array, right: Float32Array): number {
  return left.reduce((sum, value, index) => sum + value * right[index], 0);
}

describe('the way back through a transform', () => {
  const linear: { transform: Transform; shape: number[] }[] = [
    { transform: { family: 'shift', dx: 1, dy: 0, edge: 'zeros' }, shape: [2, 6, 7] },
    { transform: { family: 'shift', dx: -2, dy: 3, edge: 'zeros' }, shape: [1, 6, 7] },
    { transform: { family: 'shift', dx: 2, dy: -1, edge: 'replicate' }, shape: [3, 6, 7] },
    { transform: { family: 'shift', dx: 2, dy: 0, edge: 'replicate' }, shape: [9] },
    { transform: { family: 'mirror' }, shape: [2, 6, 7] },
    { transform: { family: 'blur', sigma: 0.8, size: 5 }, shape: [2, 6, 7] },
    { transform: { family: 'blur', sigma: 1.2, size: 3 }, shape: [9] },
  ];
  for (const { transform, shape } of linear) {
    const name = `${Object.values(transform).join(' ')} of [${shape.join(', ')}]`;
    it(`is the adjoint where the transform is linear: ${name}`, () => {
      // By the adjoint's definition: <T x, g> = <x, T' g> for all x and g.
      const size = shape.reduce((product, extent) => product * extent, 1);
      const [x, g] = [drawn(size, 1), drawn(size, 2)];
      const forth = dot(transformInput(planesOf(x, shape), transform, unbounded), g);
      const back = dot(x, transformAdjoint(planesOf(g, shape), transform));
      expect(back).toBeCloseTo(forth, 4);
    });
  }

  it('goes straight through where the transform is not', () => {
    const g = drawn(12, 3);
    const straight: Transform[] = [
      { family: 'total-variation', weight: 0.3, iterations: 8 },
      { family: 'bit-depth', bits: 1 },
      { family: 'median', size: 3 },
    ];
    for (const transform of straight) expect(transformAdjoint(planesOf(g, [1, 3, 4]), transform)).toEqual(g);
  });

  it('is closed where a clip holds the copy', () => {
    const back = clipAdjoint(Float32Array.of(1, 2, 3), Float32Array.of(0, 0.5, 1), [0, 1]);
    expect([...back]).toEqual([0, 2, 0]);
  });

  it('refuses a gradient of another shape', () => {
    const wrong = { values: new Float32Array(5), planes: 1, height: 2, width: 3 };
    expect(() => transformAdjoint(wrong, { family: 'mirror' })).toThrow(/5 elements/);
  });
});

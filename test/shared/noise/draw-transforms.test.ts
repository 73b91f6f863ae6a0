import { describe, expect, it } from 'vitest';
import { type Transform, transformSchema } from '../../../shared/contracts/transform.ts';
import { drawTransforms } from '../../../shared/noise/draw-transforms.ts';
import { importNoiseKey } from '../../../shared/noise/noise-key.ts';
import { transformPresets } from '../../../shared/noise/transform-presets.ts';

const keyOf = (byte: number) => importNoiseKey(new Uint8Array(32).fill(byte));
const draws = async (transforms: readonly Transform[], count = 200) =>
  Promise.all(
    Array.from({ length: count }, async (_, byte) => drawTransforms(await keyOf(byte), transforms)),
  );
const colour = transformPresets['w0-colour'];

describe('transforms drawn by the key', () => {
  it('are the same for the same key, and others for another', async () => {
    expect(await drawTransforms(await keyOf(1), colour)).toEqual(
      await drawTransforms(await keyOf(1), colour),
    );
    const different = new Set((await draws(colour, 50)).map((drawn) => JSON.stringify(drawn)));
    expect(different.size).toBe(50);
  });

  it('keep family, order, edge and iterations, and are a plan that parses', async () => {
    for (const drawn of await draws(colour)) {
      expect(drawn.map(({ family }) => family)).toEqual(colour.map(({ family }) => family));
      for (const transform of drawn) expect(transformSchema.parse(transform)).toEqual(transform);
      expect(drawn[2]).toMatchObject({ iterations: 8 });
      expect(drawn[0]).toMatchObject({ edge: 'replicate' });
    }
  });

  it('lie in the ranges that are documented, and fill them', async () => {
    const lengths = new Set<number>();
    const directions = new Set<string>();
    const weights: number[] = [];
    const sigmas: number[] = [];
    const bits = new Set<number>();
    for (const drawn of await draws(colour)) {
      for (const transform of drawn) {
        if (transform.family === 'shift') {
          lengths.add(Math.hypot(transform.dx, transform.dy));
          directions.add(`${transform.dx},${transform.dy}`);
        }
        if (transform.family === 'total-variation') weights.push(transform.weight / 0.03);
        if (transform.family === 'blur') sigmas.push(transform.sigma / 0.5);
        if (transform.family === 'bit-depth') bits.add(transform.bits);
      }
    }
    // Within two pixels: four neighbours, four diagonal ones, and four at a distance of two.
    expect(directions.size).toBe(12);
    expect([...lengths].toSorted((one, other) => one - other)).toEqual([1, Math.SQRT2, 2]);
    expect(Math.min(...weights)).toBeGreaterThanOrEqual(2 / 3);
    expect(Math.max(...weights)).toBeLessThanOrEqual(3 / 2);
    expect(Math.max(...weights) - Math.min(...weights)).toBeGreaterThan(0.7);
    expect(Math.min(...sigmas)).toBeGreaterThanOrEqual(0.8);
    expect(Math.max(...sigmas)).toBeLessThanOrEqual(1.5);
    expect([...bits].toSorted((one, other) => one - other)).toEqual([2, 3]);
  });

  it('never are the same shift twice while there is another', async () => {
    for (const [first, second] of await draws(colour)) expect(first).not.toEqual(second);
    const twice: Transform[] = [
      { family: 'median', size: 3 },
      { family: 'median', size: 3 },
      { family: 'median', size: 2 },
    ];
    for (const drawn of await draws(twice, 20)) {
      expect(new Set(drawn.slice(0, 2).map((transform) => JSON.stringify(transform))).size).toBe(2);
      expect(drawn).toHaveLength(3);
    }
  });

  it('leave a single bit and a mirror as they are', async () => {
    const listed: Transform[] = [{ family: 'bit-depth', bits: 1 }, { family: 'mirror' }];
    for (const drawn of await draws(listed, 20)) expect(drawn).toEqual(listed);
  });

  it('of an empty list are none', async () => {
    expect(await drawTransforms(await keyOf(1), [])).toEqual([]);
  });
});

// Transforms that nobody can name without the key: each drawn around the one that the plan lists.
import type { Transform, TransformOf } from '../contracts/transform.ts';
import { keyedBytes, type NoiseKey } from './noise-key.ts';

/** Factors between which the weight of a total variation and the sigma of a blur are drawn, evenly in their logarithm. */
const weightFactors = [2 / 3, 3 / 2] as const;
const sigmaFactors = [0.8, 1.5] as const;

/**
 * Draws the transforms of a deployment by HMAC(key, place and family of each): once a key, when a model is compiled.
 *
 * Ranges around what the plan lists: a shift of s pixels goes in any direction, whole pixels, by a length of 1 to s + 1;
 * the weight of a total variation lies between 2/3 and 3/2 of it, the sigma of a blur between 0.8 and 1.5 of it; bits are
 * those or the next fewer; a median's window is 2 or 3. A mirror and a single bit stay as they are: what tells strong
 * examples on MNIST is the one bit. No transform is drawn twice while there is another.
 *
 * A detector learns how a model reacts to these very transforms, so it is calibrated under the key that it is served with:
 * at the threshold of another key's transforms its false positive rate is another.
 * @param transforms as the plan lists them
 * @returns one a listed transform, of the same family, in the same order
 */
export async function drawTransforms(key: NoiseKey, transforms: readonly Transform[]): Promise<Transform[]> {
  const drawn: Transform[] = [];
  for (const [index, transform] of transforms.entries()) {
    const context = new TextEncoder().encode(`${index}/${transform.family}`);
    const bytes = await keyedBytes(key, { label: 'nccr-guard/transforms/v1', context, length: 4 });
    drawn.push(drawOne(transform, new DataView(bytes.buffer).getUint32(0) * 2 ** -32, drawn));
  }
  return drawn;
}

/** @param unit uniform in [0, 1) */
function drawOne(transform: Transform, unit: number, taken: readonly Transform[]): Transform {
  switch (transform.family) {
    case 'mirror':
      return transform;
    case 'total-variation':
      return { ...transform, weight: transform.weight * factor(weightFactors, unit) };
    case 'blur':
      return { ...transform, sigma: transform.sigma * factor(sigmaFactors, unit) };
    case 'shift':
      return choose(shiftsAround(transform), unit, taken);
    case 'bit-depth':
      if (transform.bits === 1) return transform;
      return choose([transform, { ...transform, bits: transform.bits - 1 }], unit, taken);
    case 'median':
      return choose(
        [2, 3].map((size) => ({ ...transform, size: size as 2 | 3 })),
        unit,
        taken,
      );
  }
}

function factor([low, high]: readonly [number, number], unit: number): number {
  return low * (high / low) ** unit;
}

/** Shifts in all directions whose length is at least a pixel and at most one more than that of the listed one. */
function shiftsAround(transform: TransformOf<'shift'>): TransformOf<'shift'>[] {
  const longest = Math.hypot(transform.dx, transform.dy) + 1;
  const reach = Math.floor(longest);
  const steps = Array.from({ length: 2 * reach + 1 }, (_, index) => index - reach);
  return steps
    .flatMap((dy) => steps.map((dx) => ({ ...transform, dx, dy })))
    .filter(({ dx, dy }) => (dx !== 0 || dy !== 0) && Math.hypot(dx, dy) <= longest);
}

function choose<T extends Transform>(options: readonly T[], unit: number, taken: readonly Transform[]): T {
  const known = new Set(taken.map((transform) => JSON.stringify(transform)));
  const free = options.filter((option) => !known.has(JSON.stringify(option)));
  const left = free.length > 0 ? free : options;
  return left[Math.floor(unit * left.length)];
}

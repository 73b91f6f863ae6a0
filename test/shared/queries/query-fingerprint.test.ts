import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../shared/maths/random.ts';
import { importNoiseKeyHex } from '../../../shared/noise/noise-key.ts';
import { isNearDuplicate } from '../../../shared/queries/near-duplicates.ts';
import { hashesKept, queryFingerprint, querySalt } from '../../../shared/queries/query-fingerprint.ts';

const noiseKey = await importNoiseKeyHex('5a'.repeat(32));
const range = [0, 1] as const;
const salt = await querySalt(noiseKey, 784);
const noise = (seed: number, size = 784) => {
  const random = seededRandom(seed);
  return Float32Array.from({ length: size }, () => random());
};
const fingerprint = (input: Float32Array) => queryFingerprint(input, { range, salt });

describe('a fingerprint', () => {
  it('is fifty different hashes in ascending order, the same for the same input', () => {
    const hashes = fingerprint(noise(1));
    expect(hashes).toHaveLength(hashesKept);
    expect([...hashes]).toEqual([...new Set(hashes)].sort((left, right) => left - right));
    expect(fingerprint(noise(1))).toEqual(hashes);
  });

  it('shares nothing with that under another key', async () => {
    const other = await querySalt(await importNoiseKeyHex('5b'.repeat(32)), 784);
    const hashes = new Set(fingerprint(noise(1)));
    const others = queryFingerprint(noise(1), { range, salt: other });
    expect(others.some((hash) => hashes.has(hash))).toBe(false);
  });

  it('says nothing of windows of one value', () => {
    const stroke = new Float32Array(784);
    stroke[400] = 1;
    // The windows of 20 elements that the only other value is in.
    expect(fingerprint(stroke)).toHaveLength(20);
    expect(fingerprint(new Float32Array(784))).toHaveLength(0);
  });

  it('keeps the greatest hashes of all windows', async () => {
    const size = 100;
    const small = await querySalt(noiseKey, size);
    const whole = queryFingerprint(noise(3, size), { range, salt: small });
    // 81 windows of 20 elements; each of both halves has all of its own kept.
    const shifts = small.shifts;
    const part = (from: number, to: number) =>
      queryFingerprint(noise(3, size).subarray(from, to), {
        range,
        salt: { ...small, shifts: shifts.subarray(from, to) },
      });
    const all = [...new Set([...part(0, 60), ...part(41, size)])].sort((left, right) => left - right);
    expect(all).toHaveLength(81);
    expect([...whole]).toEqual(all.slice(-hashesKept));
  });

  it('is read by the range of the model', () => {
    const wide = noise(4).map((value) => value * 2 - 1);
    expect(queryFingerprint(wide, { range: [-1, 1], salt })).not.toEqual(
      queryFingerprint(wide, { range: [-1, 3], salt }),
    );
  });

  it('is of one window where the input is shorter than that, and of none where it is one number', async () => {
    const of = async (values: number[]) =>
      queryFingerprint(Float32Array.from(values), { range, salt: await querySalt(noiseKey, values.length) });
    expect(await of([0.1, 0.5, 0.9])).toHaveLength(1);
    expect(await of([0.5])).toHaveLength(0);
  });

  it('refuses a salt of another size', () => {
    expect(() => queryFingerprint(new Float32Array(10), { range, salt })).toThrow(/salt/);
  });
});

describe('a near-duplicate', () => {
  it('is an input of which few elements changed, or all by little', () => {
    const input = noise(1);
    const dotted = input.slice();
    for (const place of [0, 300, 783]) dotted[place] = 1 - dotted[place];
    expect(isNearDuplicate(fingerprint(input), fingerprint(dotted))).toBe(true);
    const shifted = input.map((value) => Math.min(1, value + 1 / 1024));
    expect(isNearDuplicate(fingerprint(input), fingerprint(shifted))).toBe(true);
  });

  it('is no other input', () => {
    expect(isNearDuplicate(fingerprint(noise(1)), fingerprint(noise(2)))).toBe(false);
  });

  it('has more than half of the hashes: 26 of 50, not 25', () => {
    const hashes = Float64Array.from({ length: 50 }, (_, index) => index);
    const other = (shared: number) => hashes.map((hash) => (hash < shared ? hash : hash + 1000));
    expect(isNearDuplicate(hashes, other(26))).toBe(true);
    expect(isNearDuplicate(hashes, other(25))).toBe(false);
  });

  it('is judged by the longer of two lists, and nothing equals nothing', () => {
    const few = Float64Array.of(1, 2);
    expect(isNearDuplicate(few, Float64Array.of(1, 2, 3))).toBe(true);
    expect(isNearDuplicate(few, Float64Array.of(1, 2, 3, 4))).toBe(false);
    expect(isNearDuplicate(new Float64Array(0), new Float64Array(0))).toBe(false);
  });
});

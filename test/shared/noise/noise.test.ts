import { describe, expect, it } from 'vitest';
import { noiseBank } from '../../../shared/noise/noise-bank.ts';
import {
  importNoiseKey,
  importNoiseKeyHex,
  keyedBytes,
  sha256Digest,
  toHex,
} from '../../../shared/noise/noise-key.ts';
import { selectRows } from '../../../shared/noise/select-rows.ts';

const plan = {
  noise: [
    { family: 'gaussian' as const, epsilon: 0.3, rows: 64, copies: 4 },
    { family: 'uniform' as const, epsilon: 0.1, rows: 2, copies: 3 },
  ],
};
const key = await importNoiseKey(new Uint8Array(32).fill(7));
const otherKey = await importNoiseKey(new Uint8Array(32).fill(8));

describe('noise key', () => {
  it('is named by an id that depends on the secret', () => {
    expect(key.id).toMatch(/^[0-9a-f]{16}$/);
    expect(otherKey.id).not.toBe(key.id);
  });

  it('reads 64 hexadecimal digits and refuses anything else', async () => {
    expect((await importNoiseKeyHex(`${'07'.repeat(32)}\n`)).id).toBe(key.id);
    await expect(importNoiseKeyHex('07')).rejects.toThrow(/64 hexadecimal/);
    await expect(importNoiseKeyHex('zz'.repeat(32))).rejects.toThrow(/64 hexadecimal/);
    await expect(importNoiseKey(new Uint8Array(16))).rejects.toThrow(/16 bytes/);
  });

  it('gives a stream whose beginning does not depend on its length', async () => {
    const context = new Uint8Array([1, 2, 3]);
    const short = await keyedBytes(key, { label: 'a', context, length: 20 });
    const long = await keyedBytes(key, { label: 'a', context, length: 100 });
    expect(toHex(long.subarray(0, 20))).toBe(toHex(short));
    expect(toHex(await keyedBytes(key, { label: 'b', context, length: 20 }))).not.toBe(toHex(short));
  });

  it('digests as SHA-256 does', async () => {
    // FIPS 180-2, appendix B.1: the digest of "abc".
    const expected = 'sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
    expect(await sha256Digest(new TextEncoder().encode('abc'))).toBe(expected);
  });
});

describe('noise bank', () => {
  it('is the same for the same key and another for another key', async () => {
    const bank = await noiseBank(key, plan, 50);
    expect(bank).toHaveLength(66 * 50);
    expect(await noiseBank(key, plan, 50)).toEqual(bank);
    expect(await noiseBank(otherKey, plan, 50)).not.toEqual(bank);
  });

  it('has Gaussian rows of half the bound and uniform rows within theirs', async () => {
    const bank = await noiseBank(key, plan, 500);
    const gaussian = bank.subarray(0, 64 * 500);
    const uniform = bank.subarray(64 * 500);
    const deviation = (values: Float32Array) =>
      Math.sqrt(values.reduce((sum, v) => sum + v * v, 0) / values.length);
    // The normal distribution clipped at two deviations keeps 0.9595 of its second moment's root.
    expect(deviation(gaussian)).toBeCloseTo(0.15 * 0.9595, 2);
    expect(Math.max(...gaussian.map(Math.abs))).toBeLessThanOrEqual(Math.fround(0.3));
    expect(deviation(uniform)).toBeCloseTo(0.1 / Math.sqrt(3), 2);
    expect(Math.max(...uniform.map(Math.abs))).toBeLessThanOrEqual(Math.fround(0.1));
  });
});

describe('row selection', () => {
  const input = Float32Array.from({ length: 50 }, (_, index) => index / 50);

  it('gives the same input the same noise and another input other noise', async () => {
    const selection = await selectRows(key, plan, input);
    expect(await selectRows(key, plan, input.slice())).toEqual(selection);
    const moved = input.slice();
    moved[3] += 1e-6;
    expect((await selectRows(key, plan, moved)).rows).not.toEqual(selection.rows);
    expect((await selectRows(otherKey, plan, input)).rows).not.toEqual(selection.rows);
  });

  it('digests a view as its own bytes alone', async () => {
    const padded = new Float32Array(60);
    padded.set(input, 5);
    expect(await selectRows(key, plan, padded.subarray(5, 55))).toEqual(await selectRows(key, plan, input));
  });

  it('draws each segment from its own rows, without replacement where there are enough', async () => {
    const { rows, signs } = await selectRows(key, plan, input);
    expect(rows).toHaveLength(7);
    expect(signs.every((sign) => sign === 1 || sign === -1)).toBe(true);
    const [gaussian, uniform] = [rows.slice(0, 4), rows.slice(4)];
    expect(new Set(gaussian).size).toBe(4);
    expect(gaussian.every((row) => row >= 0 && row < 64)).toBe(true);
    expect(uniform.every((row) => row === 64 || row === 65)).toBe(true);
  });

  it('draws as from a list of the rows whose last one takes the place of each that is drawn', async () => {
    for (const [rows, copies] of [
      [2, 2],
      [5, 5],
      [7, 3],
      [1_024, 3],
    ]) {
      const segments = [{ family: 'uniform' as const, epsilon: 1, rows, copies }];
      for (let row = 0; row < 20; row++) {
        const image = Uint8Array.of(row, rows);
        const context = new Uint8Array(await crypto.subtle.digest('SHA-256', image));
        const bytes = await keyedBytes(key, { label: 'nccr-guard/rows/v1', context, length: 4 * copies });
        const words = new Uint32Array(bytes.buffer);
        const left = Array.from({ length: rows }, (_, index) => index);
        const drawn = Array.from(words, (word) => {
          const place = (word >>> 1) % left.length;
          const taken = left[place];
          left[place] = left[left.length - 1];
          left.length--;
          return taken;
        });
        expect((await selectRows(key, { noise: segments }, image)).rows).toEqual(drawn);
      }
    }
  });

  it('draws rows and signs evenly', async () => {
    const counts = Array.from({ length: 64 }, () => 0);
    let positive = 0;
    for (let index = 0; index < 1000; index++) {
      const { rows, signs } = await selectRows(key, plan, Float32Array.of(index));
      for (const row of rows.slice(0, 4)) counts[row]++;
      positive += signs.slice(0, 4).filter((sign) => sign === 1).length;
    }
    // 4,000 draws over 64 rows: 62.5 each, deviation 7.9; six deviations on either side.
    expect(Math.min(...counts)).toBeGreaterThan(15);
    expect(Math.max(...counts)).toBeLessThan(110);
    expect(Math.abs(positive - 2000)).toBeLessThan(190);
  });
});

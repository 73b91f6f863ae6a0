import { describe, expect, it } from 'vitest';
import { halfSipHash, keyedHash } from '../../../shared/queries/keyed-hash.ts';

/** Key 00 01 … 07 as its authors' test program has it, in words of little-endian. */
const key = [0x0302_0100, 0x0706_0504] as const;

describe('the keyed hash', () => {
  it('is HalfSipHash-2-4: the vector of 8 bytes from the authors’ test program', () => {
    // vectors_hsip64[8] for the message 00 01 … 07: ed fe e8 20 bc e4 85 8c.
    expect(halfSipHash(key, 0x0302_0100, 0x0706_0504)).toEqual([0x20e8_feed, 0x8c85_e4bc]);
  });

  it('is a whole number of 53 bits, another one under another key', () => {
    // The lower 21 bits of the upper word above the lower word.
    expect(keyedHash(key, 0x0302_0100, 0x0706_0504)).toBe(0x05_e4bc * 2 ** 32 + 0x20e8_feed);
    expect(keyedHash([1, 2], 3, 4)).not.toBe(keyedHash([1, 3], 3, 4));
    expect(Number.isSafeInteger(keyedHash([-1, -1], -1, -1))).toBe(true);
  });
});

// A keyed hash of two words of 32 bits, in operations that JavaScript has: HalfSipHash-2-4 with 64 bits of output.

/** A key of 64 bits: two words of 32. */
export type HashKey = readonly [number, number];

/** What is hashed is always two words: the last block says their length in bytes. */
const lastBlock = 8 << 24;

/**
 * Hashes two words.
 * @returns the lower 53 bits of the hash, so that it is a number to the bit
 * @see Aumasson and Bernstein: SipHash: a fast short-input PRF (2012), section 2; HalfSipHash is theirs too, in the same shape over
 *   words of 32 bits
 */
export function keyedHash([first, second]: HashKey, low: number, high: number): number {
  const [lower, upper] = halfSipHash([first, second], low, high);
  return (upper & 0x1f_ffff) * 0x1_0000_0000 + lower;
}

/** The hash whole: its lower and its upper word, each unsigned. */
export function halfSipHash([first, second]: HashKey, low: number, high: number): [number, number] {
  let v0 = first;
  let v1 = second ^ 0xee;
  let v2 = 0x6c79_6765 ^ first;
  let v3 = 0x7465_6462 ^ second;
  const rounds = (count: number) => {
    for (let round = 0; round < count; round++) {
      v0 = (v0 + v1) | 0;
      v1 = rotated(v1, 5) ^ v0;
      v0 = rotated(v0, 16);
      v2 = (v2 + v3) | 0;
      v3 = rotated(v3, 8) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = rotated(v3, 7) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = rotated(v1, 13) ^ v2;
      v2 = rotated(v2, 16);
    }
  };
  for (const word of [low, high, lastBlock]) {
    v3 ^= word;
    rounds(2);
    v0 ^= word;
  }
  v2 ^= 0xee;
  rounds(4);
  const lower = (v1 ^ v3) >>> 0;
  v1 ^= 0xdd;
  rounds(4);
  return [lower, (v1 ^ v3) >>> 0];
}

function rotated(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

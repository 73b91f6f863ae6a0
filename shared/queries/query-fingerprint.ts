// The fingerprint of a query: a few keyed hashes of what it shows, most of which a near-duplicate shares.
import { assertShape } from '../assert.ts';
import { keyedBytes, type NoiseKey } from '../noise/noise-key.ts';
import { type HashKey, keyedHash } from './keyed-hash.ts';

/** Width of a level in units of a byte, elements of a window, hashes that are kept: Blacklight's own for small images. */
const levelWidth = 50;
const windowSize = 20;
export const hashesKept = 50;

/** Bits of a level, and levels of one of the two words that a window is packed into. */
const levelBits = 3;
const levelsOfWord = 10;
const wordMask = 2 ** (levelBits * levelsOfWord) - 1;

/** What fingerprints of inputs of one size are made with; whoever knows it could tell which windows count. */
export interface QuerySalt {
  /** [size]: what is added to each element, 0 to 254. */
  readonly shifts: Uint8Array;
  readonly hashKey: HashKey;
}

/** Hashes of a query, each once, in ascending order; at most {@link hashesKept}. */
export type QueryFingerprint = Float64Array;

/** Makes the salt of inputs of a size from the noise key. */
export async function querySalt(key: NoiseKey, size: number): Promise<QuerySalt> {
  const context = new Uint8Array(4);
  new DataView(context.buffer).setUint32(0, size);
  const bytes = await keyedBytes(key, { label: 'nccr-guard/queries/v1', context, length: 8 + size });
  const words = new DataView(bytes.buffer);
  return {
    shifts: bytes.subarray(8).map((byte) => byte % 255),
    hashKey: [words.getInt32(0), words.getInt32(4)],
  };
}

/**
 * Fingerprints one input: each element is salted and quantised, every window of 20 elements hashed, and the 50 greatest hashes
 * are kept.
 *
 * Deviation: windows of one value throughout are left out: digits have the black around them in common, and scans their white. Deviation: windows are hashed by HalfSipHash under a secret key instead of SHA-256:
 * hashes never leave the guard, so that nobody has anything to attack the key by, and it takes less than a tenth of the time. Deviation:
 * elements are in the order of the tensor, channels first, where Blacklight has channels last.
 * @param input [size] elements of one input
 * @param range lowest and highest value of an element
 * @see Li, Shan, Wenger, Zhang, Zheng and Zhao: Blacklight: scalable defense for neural networks against query-based black-box
 *   attacks (USENIX Security 2022); that each element is salted before it is quantised is what the authors' program does
 */
export function queryFingerprint(
  input: Float32Array,
  { range: [lowest, highest], salt }: { range: readonly [number, number]; salt: QuerySalt },
): QueryFingerprint {
  const { shifts, hashKey } = salt;
  assertShape(shifts, [input.length], 'salt of the fingerprint');
  const scale = 255 / (highest - lowest);
  const greatest = greatestKept();
  const size = Math.min(windowSize, input.length);
  let low = 0;
  let high = 0;
  /** Elements before this one that have its value. */
  let alike = 0;
  for (let index = 0; index < input.length; index++) {
    const salted = (input[index] - lowest) * scale + shifts[index];
    // The remainder by 255 and the nearest level, as what they are for numbers under 510: this is most of the time.
    const level = ((salted < 255 ? salted : salted - 255) / levelWidth + 0.5) | 0;
    high = ((high << levelBits) | (low >>> (levelBits * (levelsOfWord - 1)))) & wordMask;
    low = ((low << levelBits) | level) & wordMask;
    alike = index > 0 && input[index] === input[index - 1] ? alike + 1 : 0;
    if (index + 1 >= size && alike + 1 < size) greatest.add(keyedHash(hashKey, low, high));
  }
  return greatest.values();
}

/** Keeps the greatest of some numbers, each once. */
function greatestKept() {
  const kept = new Float64Array(hashesKept);
  let count = 0;
  return {
    add(value: number): void {
      if (count === hashesKept && value <= kept[0]) return;
      let place = count;
      while (place > 0 && kept[place - 1] > value) place--;
      if (place > 0 && kept[place - 1] === value) return;
      if (count < hashesKept) {
        kept.copyWithin(place + 1, place, count);
        kept[place] = value;
        count++;
      } else {
        kept.copyWithin(0, 1, place);
        kept[place - 1] = value;
      }
    },
    values: () => kept.slice(0, count),
  };
}

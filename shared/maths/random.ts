// Seeded random numbers for experiments: repeatable, fast, not secret (shared/noise has the keyed stream).

/** A stream of uniform numbers in [0, 1). */
export type Random = () => number;

/**
 * Makes a repeatable stream (sfc32 by Chris Doty-Humphrey, mixed for 12 rounds).
 * @param seed any integer; equal seeds give equal streams
 */
export function seededRandom(seed: number): Random {
  let a = 0x9e3779b9;
  let b = 0x243f6a88;
  let c = seed | 0;
  let counter = 1;
  const next = () => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    c |= 0;
    return (sum >>> 0) / 4294967296;
  };
  for (let round = 0; round < 12; round++) next();
  return next;
}

/** Draws a standard normal number (Box and Muller 1958, cosine branch). */
export function normal(random: Random): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random()));
  return radius * Math.cos(2 * Math.PI * random());
}

/**
 * Draws an order of the indices 0..count-1 (Fisher and Yates).
 * @returns a permutation of length `count`
 */
export function permutation(count: number, random: Random): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, index) => index);
  for (let last = count - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    const kept = order[last];
    order[last] = order[other];
    order[other] = kept;
  }
  return order;
}

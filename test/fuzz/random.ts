// Random numbers of a seed for mutations: fast, and the same on every machine.

/** Draws whole numbers. */
export interface RandomWords {
  /** From 0 to below `limit`, which is at least 1. */
  below(limit: number): number;
}

/**
 * Starts a sequence.
 * @see Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014 (with 32-bit words as `splitmix32`)
 */
export function randomWords(seed: number): RandomWords {
  let state = seed >>> 0;
  return {
    below(limit) {
      state = (state + 0x9e3779b9) >>> 0;
      let word = state;
      word = Math.imul(word ^ (word >>> 16), 0x21f0aaad);
      word = Math.imul(word ^ (word >>> 15), 0x735a2d97);
      word = (word ^ (word >>> 15)) >>> 0;
      return Math.floor((word / 2 ** 32) * limit);
    },
  };
}

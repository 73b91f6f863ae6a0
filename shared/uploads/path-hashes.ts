// Finds paths that occur twice among a million without holding them: eight bytes each, then the few of equal hash.

/** Paths of equal hash that are held to be compared: honest archives have none. */
const suspectsMax = 1_000;

/** Hashes of paths while they are added. */
export interface PathHashes {
  add(path: string): void;
  /**
   * Sorts out which paths might be twice among those added.
   * @returns tells of a path that is added again whether it came before; undefined where more than 1,000 are suspect
   */
  close(): ((path: string) => boolean) | undefined;
}

/** Begins a set of paths. */
export function pathHashes(): PathHashes {
  let hashes = new Float64Array(1024);
  let count = 0;
  return {
    add(path) {
      if (count === hashes.length) {
        const grown = new Float64Array(2 * count);
        grown.set(hashes);
        hashes = grown;
      }
      hashes[count++] = hashOf(path);
    },
    close() {
      const sorted = hashes.subarray(0, count).sort();
      const suspects = new Set<number>();
      for (let index = 1; index < sorted.length; index++) {
        if (sorted[index] === sorted[index - 1]) suspects.add(sorted[index]);
        if (suspects.size > suspectsMax) return undefined;
      }
      const seen = new Set<string>();
      return (path) => {
        if (!suspects.has(hashOf(path))) return false;
        if (seen.has(path)) return true;
        seen.add(path);
        return false;
      };
    },
  };
}

/** 53 bits out of two FNV-1a hashes with different starts. */
function hashOf(path: string): number {
  let [low, high] = [0x811c9dc5, 0x01234567];
  for (let index = 0; index < path.length; index++) {
    const unit = path.charCodeAt(index);
    low = Math.imul(low ^ unit, 0x01000193);
    high = Math.imul(high ^ unit, 0x01000193) ^ (high >>> 15);
  }
  return (low >>> 0) + (high & 0x1fffff) * 2 ** 32;
}

// Whether two queries are nearly the same input, by their fingerprints.
import type { QueryFingerprint } from './query-fingerprint.ts';

/**
 * Whether more than half of the hashes of the one that has more of them are hashes of the other.
 * @see Blacklight, as `queryFingerprint` names it: more than 25 of 50
 */
export function isNearDuplicate(left: QueryFingerprint, right: QueryFingerprint): boolean {
  const needed = Math.floor(Math.max(left.length, right.length) / 2) + 1;
  let shared = 0;
  for (let at = 0, other = 0; at < left.length && other < right.length; ) {
    if (left[at] === right[other]) {
      shared++;
      at++;
      other++;
    } else if (left[at] < right[other]) at++;
    else other++;
  }
  return shared >= needed;
}

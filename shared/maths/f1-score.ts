// How well what was found is what was there, in one number.

/**
 * F1, the harmonic mean of precision and recall.
 * @param found how many were found, `hits` of them rightly
 * @param planted how many there were
 * @returns 0 to 1; null where there was nothing and nothing was found
 * @see van Rijsbergen, "Information retrieval" (1979), chapter 7
 */
export function f1Score({
  hits,
  found,
  planted,
}: {
  readonly hits: number;
  readonly found: number;
  readonly planted: number;
}): number | null {
  const all = found + planted;
  return all === 0 ? null : (2 * hits) / all;
}

// Means of magnitudes are never less than none, whoever computed them.
import type { ChangeColumn } from '../../shared/contracts/extraction.ts';

/**
 * Whether a mean of magnitudes is negative.
 * @param changes row-major [rows, columns]
 */
export function hasNegativeMean(
  changes: Float32Array,
  columns: readonly Pick<ChangeColumn, 'quantity'>[],
): boolean {
  const isMean = columns.map(({ quantity }) => quantity === 'change' || quantity === 'base');
  return changes.some((value, index) => value < 0 && isMean[index % columns.length]);
}

// Some rows of an extraction.
import type { ExtractedRows } from './extract-rows.ts';

/** The rows that a rule keeps, in their order. */
export function pickRows(rows: ExtractedRows, keeps: (row: number) => boolean): ExtractedRows {
  const { count, compiled, logits, changes } = rows;
  const kept = Array.from({ length: count }, (_, row) => row).filter(keeps);
  const pick = (values: Float32Array) => {
    const width = values.length / Math.max(1, count);
    const picked = new Float32Array(kept.length * width);
    for (const [index, row] of kept.entries()) {
      picked.set(values.subarray(row * width, (row + 1) * width), index * width);
    }
    return picked;
  };
  return { count: kept.length, compiled, logits: pick(logits), changes: changes && pick(changes) };
}

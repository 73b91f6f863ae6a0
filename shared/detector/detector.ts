// What scores NCCR vectors, whoever computes it.
import type { Scorer } from '../contracts/verdict.ts';

/** Scores NCCR vectors. A higher score is more adversarial. */
export interface Detector {
  readonly scorer: Scorer;
  /**
   * @param vectors row-major [rows, vector length], not standardised, finite
   * @returns [rows]: adversarial logit - clean logit
   */
  score(vectors: Float64Array, rows: number): Promise<Float64Array>;
}

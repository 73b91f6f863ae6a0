// The vector designs as they are trained: hidden widths that fill the paper's 1,792 parameters, and their training sets.
import type { VectorDesign } from '../../shared/contracts/detector-artefact.ts';

/** How a design is laid out and trained. */
export interface DetectorDesign {
  readonly design: VectorDesign;
  /** Widths of the two hidden layers for ten classes. */
  readonly hidden: readonly [number, number];
  /** Whether fixed-epsilon PGD and noisy clean inputs are part of the training set. */
  readonly strict: boolean;
}

/**
 * Deviation: the paper says "a three-layer network of 1,792 parameters" without its widths; 9-32-42-2 and 19-34-30-2
 * with biases are exactly 1,792 for ten classes.
 */
export const detectorDesigns: Readonly<Record<VectorDesign, DetectorDesign>> = {
  'rank-gaps': { design: 'rank-gaps', hidden: [32, 42], strict: false },
  strict: { design: 'strict', hidden: [34, 30], strict: true },
  // 18-36-18-2 for six transforms: 1,388 parameters; 27-32-25-2 with the nine rank gaps: 1,773.
  'margin-changes': { design: 'margin-changes', hidden: [36, 18], strict: true },
  'margin-changes+rank-gaps': { design: 'margin-changes+rank-gaps', hidden: [32, 25], strict: true },
};

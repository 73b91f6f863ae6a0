// Baseline: the margin between the two highest logits, one forward pass and no training.
import { logitMargin } from '../../shared/maths/nccr-vector.ts';
import type { AttackTarget } from '../attacks/attack-target.ts';
import { type BaselineScores, countRows } from './baseline.ts';

/**
 * Scores inputs by how near they lie to the decision boundary.
 *
 * Deviation: the papers that use a margin use that of probabilities; logits do not saturate.
 * @param inputs row-major [rows, ...inputShape]
 * @returns minus the margin, at most 0: 0 on the boundary
 * @see Carlini and Wagner, "Towards evaluating the robustness of neural networks" (2017), section V-A, f6: the
 *   margin as an attack's objective
 */
export async function logitMarginBaseline(
  target: AttackTarget,
  inputs: Float32Array,
): Promise<BaselineScores> {
  const rows = countRows(target, inputs);
  const { classes } = target;
  const logits = await target.logits(inputs);
  const scores = Float64Array.from(
    { length: rows },
    (_, row) => -logitMargin(logits.subarray(row * classes, (row + 1) * classes)),
  );
  return { scores, passesPerInput: Math.sign(rows) };
}

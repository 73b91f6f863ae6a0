// A linear model of two inputs and a detector of one weight: all that an attack computes on them is known in closed form.
import type { AttackTarget } from '../../gpu-worker/attacks/attack-target.ts';
import type { KnownDetector } from '../../gpu-worker/attacks/joint-loss.ts';
import { extractionPlanSchema } from '../../shared/contracts/extraction.ts';

/** Logits (4 a, 4 b): the margin of class 0 is 4 (a - b), its gradient (4, -4). */
export const linear: Pick<AttackTarget, 'inputShape' | 'classes' | 'range' | 'logits' | 'vectorJacobian'> = {
  inputShape: [2],
  classes: 2,
  range: [0, 1],
  logits: async (inputs) => inputs.map((value) => 4 * value),
  vectorJacobian: async (inputs, seeds) => ({
    logits: inputs.map((value) => 4 * value),
    gradient: seeds.map((value) => 4 * value),
  }),
};
/** One copy under uniform noise. */
export const linearPlan = extractionPlanSchema.parse({
  input_range: [0, 1],
  taps: [],
  noise: [{ family: 'uniform', epsilon: 0.1, rows: 8, copies: 1 }],
});

/** One weight: the score is `sign * v` for the one entry of a rank-gap vector of two classes. */
export function linearDetector(sign: number, threshold: number): KnownDetector {
  const layers = [{ inputs: 1, outputs: 2, weights: Float32Array.of(0, sign), biases: new Float32Array(2) }];
  const mlp = { layers, mean: [0], deviation: [1], clip: 100 };
  return { plan: linearPlan, design: 'rank-gaps', mlp, threshold };
}

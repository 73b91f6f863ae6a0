// A model behind its guard as a client sees it: the model's answer where the guard lets the input pass, a refusal else.
import { assert } from '../../shared/assert.ts';
import type { AttackTarget } from './attack-target.ts';

/** What the guard makes of inputs. */
export interface GuardAnswers {
  /** Row-major [rows, classes]: of the inputs themselves. */
  readonly logits: Float32Array;
  /** [rows]: 1 where the guard lets the input pass. */
  readonly passed: Uint8Array;
}

/** The guard at work. @param inputs row-major [rows, ...inputShape] */
export type AskGuard = (inputs: Float32Array) => Promise<GuardAnswers>;

/** Margin of what is blocked, in logits: over that of any answer, so that a search prefers whatever passes. */
const blockedMargin = 1e6;

/**
 * A target for attacks without gradients on inputs of one label. What is blocked is answered as if the label were beyond
 * doubt; what passes is answered with the model's own logits, which is the most that a client is ever shown.
 * @returns a target that asserts against questions for gradients
 */
export function guardedTarget(
  { inputShape, classes, range }: Pick<AttackTarget, 'inputShape' | 'classes' | 'range'>,
  { label, askGuard }: { label: number; askGuard: AskGuard },
): AttackTarget {
  const noGradient = (): never => {
    assert(false, 'a guard answers without gradients');
  };
  return {
    inputShape,
    classes,
    range,
    async logits(inputs) {
      const { logits, passed } = await askGuard(inputs);
      const seen = logits.slice();
      for (const [row, passes] of passed.entries()) {
        if (passes === 1) continue;
        seen.fill(0, row * classes, (row + 1) * classes);
        seen[row * classes + label] = blockedMargin;
      }
      return seen;
    },
    lossGradient: async () => noGradient(),
    crossEntropy: async () => noGradient(),
    margin: async () => noGradient(),
    vectorJacobian: async () => noGradient(),
  };
}

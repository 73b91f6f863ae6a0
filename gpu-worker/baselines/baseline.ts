// What every baseline gives: a score for each input and what it cost.
import { assert, assertShape } from '../../shared/assert.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import type { AttackTarget } from '../attacks/attack-target.ts';

/** What a baseline says of some inputs. */
export interface BaselineScores {
  /** [rows], finite; higher for what is taken for adversarial. */
  readonly scores: Float64Array;
  /** Forward passes of the protected model that one input cost on average; a gradient counts as `gradientPasses`. */
  readonly passesPerInput: number;
  /** Gradients among them, on average; none where it is not given. */
  readonly gradientsPerInput?: number;
}

/** A baseline that is ready to score, whatever it had to prepare. */
export interface Baseline {
  /** @param inputs row-major [rows, ...inputShape], finite */
  score(inputs: Float32Array): Promise<BaselineScores>;
}

/**
 * Forward passes that a gradient is counted as, so that costs compare across machines: itself one, and a backward pass
 * of about twice the multiplications.
 */
export const gradientPasses = 3;

/**
 * Rows of the inputs.
 * @throws Error where they are not whole rows or a value is not finite
 */
export function countRows({ inputShape }: Pick<AttackTarget, 'inputShape'>, inputs: Float32Array): number {
  const rows = inputs.length / elementCount(inputShape);
  assertShape(inputs, [Math.floor(rows), ...inputShape], 'inputs');
  assert(inputs.every(Number.isFinite), 'an input is not finite');
  return rows;
}

/** Mean number of passes; 0 for no rows. */
export function meanPasses(passes: number, rows: number): number {
  return rows === 0 ? 0 : passes / rows;
}

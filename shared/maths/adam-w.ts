// AdamW: moves weights against their gradient.
import { assertShape } from '../assert.ts';

/** What one step is taken with. */
export interface AdamWStep {
  /** Steps that were taken before. */
  readonly step: number;
  readonly rate: number;
  /** Share of a weight that is taken off at rate 1. */
  readonly weightDecay: number;
}

/** What is kept of the gradients of some weights, each of their length; zeros at first. */
export interface AdamMoments {
  readonly first: Float32Array | Float64Array;
  readonly second: Float32Array | Float64Array;
}

/** Moment decay rates and the floor. */
const [beta1, beta2, epsilon] = [0.9, 0.999, 1e-8];

/**
 * Moves the weights and their moments in place.
 * @param gradient of the length of the weights
 * @throws Error where a shape is wrong
 * @see Loshchilov and Hutter, "Decoupled weight decay regularization" (2019), algorithm 2
 */
export function adamW(
  values: Float32Array | Float64Array,
  gradient: Float32Array | Float64Array,
  { first, second }: AdamMoments,
  { step, rate, weightDecay }: AdamWStep,
): void {
  assertShape(gradient, [values.length], 'gradient');
  const corrections = [1 - beta1 ** (step + 1), 1 - beta2 ** (step + 1)];
  for (let index = 0; index < values.length; index++) {
    first[index] = beta1 * first[index] + (1 - beta1) * gradient[index];
    second[index] = beta2 * second[index] + (1 - beta2) * gradient[index] ** 2;
    const direction = first[index] / corrections[0] / (Math.sqrt(second[index] / corrections[1]) + epsilon);
    values[index] -= rate * (direction + weightDecay * values[index]);
  }
}

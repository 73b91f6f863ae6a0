// The optimiser of a network: AdamW over all of its weights.
import { adamW } from '../../shared/maths/adam-w.ts';

/** What one step is taken with. */
export interface AdamStep {
  readonly learningRate: number;
  /** Share of a weight that is taken off at learning rate 1. */
  readonly weightDecay: number;
}

/** The optimiser of some weights, with the moments that it keeps of their gradients. */
export interface Adam {
  /**
   * Moves the weights in place.
   * @param gradients one a weight tensor, of its length
   */
  step(gradients: readonly Float32Array[], options: AdamStep): void;
}

/**
 * Makes an optimiser.
 * @param weights changed by every step
 * @see Loshchilov and Hutter, "Decoupled weight decay regularization" (2019), algorithm 2
 */
export function adam(weights: readonly Float32Array[]): Adam {
  const moments = weights.map(({ length }) => ({
    first: new Float32Array(length),
    second: new Float32Array(length),
  }));
  let step = 0;
  return {
    step(gradients, { learningRate: rate, weightDecay }) {
      for (const [index, values] of weights.entries()) {
        adamW(values, gradients[index], moments[index], { step, rate, weightDecay });
      }
      step++;
    },
  };
}

// AdamW: moves weights against their gradients.
import { assertShape } from '../../shared/assert.ts';

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

/** Moment decay rates and the floor. */
const [beta1, beta2, epsilon] = [0.9, 0.999, 1e-8];

/**
 * Makes an optimiser.
 * @param weights changed by every step
 * @see Loshchilov and Hutter, "Decoupled weight decay regularization" (2019), algorithm 2
 */
export function adam(weights: readonly Float32Array[]): Adam {
  const first = weights.map(({ length }) => new Float32Array(length));
  const second = weights.map(({ length }) => new Float32Array(length));
  let steps = 0;
  return {
    step(gradients, { learningRate, weightDecay }) {
      steps++;
      const rate = learningRate / (1 - beta1 ** steps);
      const scale = 1 / (1 - beta2 ** steps);
      const kept = 1 - learningRate * weightDecay;
      for (const [index, values] of weights.entries()) {
        const gradient = gradients[index];
        assertShape(gradient, [values.length], 'gradient');
        const [mean, square] = [first[index], second[index]];
        for (let place = 0; place < values.length; place++) {
          const slope = gradient[place];
          mean[place] = beta1 * mean[place] + (1 - beta1) * slope;
          square[place] = beta2 * square[place] + (1 - beta2) * slope * slope;
          values[place] =
            kept * values[place] - (rate * mean[place]) / (Math.sqrt(scale * square[place]) + epsilon);
        }
      }
    },
  };
}

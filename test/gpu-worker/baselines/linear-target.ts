// A linear two-class model in closed form: logits (w . x, 0), boundary w . x = 0.
import type { AttackTarget } from '../../../gpu-worker/attacks/attack-target.ts';
import { elementCount } from '../../../shared/maths/tensor.ts';

/** A target that counts the rows it is asked for. */
export interface LinearTarget extends AttackTarget {
  readonly asked: { forwards: number; gradients: number };
}

/** Makes the model of one weight for each element of an input. */
export function linearTarget(
  weights: readonly number[],
  { inputShape, range }: Pick<AttackTarget, 'inputShape' | 'range'>,
): LinearTarget {
  const size = elementCount(inputShape);
  const asked = { forwards: 0, gradients: 0 };
  const logitsOf = (inputs: Float32Array) => {
    const logits = new Float32Array((2 * inputs.length) / size);
    for (const [index, value] of inputs.entries()) {
      logits[2 * Math.floor(index / size)] += weights[index % size] * value;
    }
    return logits;
  };
  const unused = () => Promise.reject(new Error('no baseline asks for this'));
  return {
    inputShape,
    range,
    classes: 2,
    asked,
    async logits(inputs) {
      asked.forwards += inputs.length / size;
      return logitsOf(inputs);
    },
    async crossEntropy(inputs, labels) {
      asked.gradients += inputs.length / size;
      const logits = logitsOf(inputs);
      const gradient = inputs.map((_, index) => {
        const row = Math.floor(index / size);
        const probability = 1 / (1 + Math.exp(-logits[2 * row]));
        return (probability - (labels[row] === 0 ? 1 : 0)) * weights[index % size];
      });
      return { logits, gradient };
    },
    lossGradient: unused,
    margin: unused,
    vectorJacobian: unused,
  };
}

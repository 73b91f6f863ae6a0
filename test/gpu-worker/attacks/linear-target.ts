// A linear model as a target of attacks: everything about it is known in closed form.

import type { AttackTarget } from '../../../gpu-worker/attacks/attack-target.ts';
import { elementCount } from '../../../shared/maths/tensor.ts';

/** The linear model: logits are `weights x`. */
export interface LinearModel {
  /** One row of weights a class. */
  readonly weights: readonly (readonly number[])[];
  readonly inputShape: readonly number[];
  readonly range: readonly [number, number];
}

/** Rows that a target was asked for. */
export interface Asked {
  forwards: number;
  gradients: number;
}

/**
 * Makes the target.
 * @param asked counts the rows of every question
 */
export function linearTarget({ weights, inputShape, range }: LinearModel, asked?: Asked): AttackTarget {
  const size = elementCount(inputShape);
  const classes = weights.length;
  const count = (kind: keyof Asked, inputs: Float32Array) => {
    if (asked !== undefined) asked[kind] += inputs.length / size;
  };
  const logits = (inputs: Float32Array) =>
    Float32Array.from({ length: (inputs.length / size) * classes }, (_, index) =>
      weights[index % classes].reduce(
        (sum, weight, element) => sum + weight * inputs[Math.floor(index / classes) * size + element],
        0,
      ),
    );
  /** Gradient of the logits weighted by seeds [rows, classes]. */
  const pullBack = (inputs: Float32Array, seeds: Float32Array) => {
    count('gradients', inputs);
    const gradient = inputs.map((_, index) =>
      weights.reduce(
        (sum, row, k) => sum + seeds[Math.floor(index / size) * classes + k] * row[index % size],
        0,
      ),
    );
    return { logits: logits(inputs), gradient };
  };
  const crossEntropy = (inputs: Float32Array, labels: ArrayLike<number>) => {
    const seeds = logits(inputs);
    for (let row = 0; row < labels.length; row++) {
      const exponents = seeds.subarray(row * classes, (row + 1) * classes);
      const largest = Math.max(...exponents);
      const sum = exponents.reduce((total, value) => total + Math.exp(value - largest), 0);
      for (let k = 0; k < classes; k++)
        exponents[k] = Math.exp(exponents[k] - largest) / sum - (k === labels[row] ? 1 : 0);
    }
    return pullBack(inputs, seeds);
  };
  return {
    inputShape,
    classes,
    range,
    async logits(inputs) {
      count('forwards', inputs);
      return logits(inputs);
    },
    crossEntropy: async (inputs, labels) => crossEntropy(inputs, labels),
    lossGradient: async (inputs, labels) => crossEntropy(inputs, labels).gradient,
    async margin(inputs, labels) {
      const answers = logits(inputs);
      const seeds = new Float32Array(answers.length);
      for (let row = 0; row < labels.length; row++) {
        const others = answers.subarray(row * classes, (row + 1) * classes).slice();
        others[labels[row]] = Number.NEGATIVE_INFINITY;
        seeds[row * classes + labels[row]] = 1;
        seeds[row * classes + others.indexOf(Math.max(...others))] = -1;
      }
      return pullBack(inputs, seeds);
    },
    vectorJacobian: async (inputs, seeds) => pullBack(inputs, seeds),
  };
}

// Gaussians of the penultimate activation: distances that can be worked out by hand, and refusals.
import { describe, expect, it } from 'vitest';
import {
  type ActivationGaussian,
  activationDistances,
  fitActivationGaussian,
  packGaussian,
  unpackGaussian,
} from '../../../shared/detector/activation-gaussian.ts';
import { seededRandom } from '../../../shared/maths/random.ts';

describe('activationDistances', () => {
  it('is the squared distance after whitening, from the class of the logits and from the nearest other', () => {
    // By hand: the first axis is doubled, the second left alone.
    const gaussian: ActivationGaussian = {
      classes: 3,
      neurons: 2,
      means: Float32Array.of(0, 0, 1, 0, 0, 5),
      whitening: Float32Array.of(2, 0, 0, 1),
    };
    const { own, other } = activationDistances(gaussian, Float32Array.of(3, 1, 0), [1, 1]);
    expect(own).toBe(4 + 1);
    expect(other).toBe(1);
  });

  it('refuses an activation of another size', () => {
    const gaussian = { classes: 2, neurons: 1, means: new Float32Array(2), whitening: Float32Array.of(1) };
    expect(() => activationDistances(gaussian, Float32Array.of(1, 0), [1, 2])).toThrow();
  });
});

describe('fitActivationGaussian', () => {
  it('whitens: the mean squared distance of its own samples is about the number of neurons', () => {
    const random = seededRandom(5);
    const [count, neurons, classes] = [600, 4, 2];
    const activations = new Float32Array(count * neurons);
    const labels = Int32Array.from({ length: count }, (_, row) => row % classes);
    for (let row = 0; row < count; row++) {
      const shared = random() - 0.5;
      for (let index = 0; index < neurons; index++) {
        activations[row * neurons + index] = labels[row] + shared + (random() - 0.5) * (index + 1);
      }
    }
    const gaussian = fitActivationGaussian({ activations, labels, classes });
    let sum = 0;
    for (let row = 0; row < count; row++) {
      const logits = Float32Array.from({ length: classes }, (_, label) => (label === labels[row] ? 1 : 0));
      const own = activations.subarray(row * neurons, (row + 1) * neurons);
      sum += activationDistances(gaussian, logits, own).own / count;
    }
    // A tenth of the covariance is replaced by a sphere: the mean is near the number of neurons and not on it.
    expect(sum).toBeGreaterThan(0.8 * neurons);
    expect(sum).toBeLessThan(1.3 * neurons);
  });

  it('gives a class without samples the mean of all, and constant activations a distance', () => {
    const activations = new Float32Array(2 * 6).fill(3);
    const gaussian = fitActivationGaussian({ activations, labels: new Int32Array(6), classes: 3 });
    expect([...gaussian.means]).toEqual([3, 3, 3, 3, 3, 3]);
    expect(activationDistances(gaussian, Float32Array.of(1, 0, 0), [4, 3])).toEqual({ own: 1, other: 1 });
  });

  it('refuses fewer than two samples a class', () => {
    const few = { activations: new Float32Array(5), labels: new Int32Array(5), classes: 3 };
    expect(() => fitActivationGaussian(few)).toThrow(/at least 6 clean inputs, there are 5/);
  });
});

describe('the packed form', () => {
  it('gives the same numbers back, and is refused where a size is wrong', () => {
    const gaussian: ActivationGaussian = {
      classes: 2,
      neurons: 1,
      means: Float32Array.of(0.1, -2),
      whitening: Float32Array.of(1.5),
    };
    const packed = packGaussian(gaussian);
    expect(unpackGaussian(packed, 2)).toEqual(gaussian);
    expect(() => unpackGaussian(packed, 3)).toThrow(/sizes/);
  });
});

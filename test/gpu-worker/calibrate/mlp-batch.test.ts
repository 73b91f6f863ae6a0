import { expect, it } from 'vitest';
import { addBatchGradient, type TrainedLayer } from '../../../gpu-worker/calibrate/mlp-batch.ts';
import { normal, seededRandom } from '../../../shared/maths/random.ts';

const random = seededRandom(5);
const draw = (count: number) => Float64Array.from({ length: count }, () => normal(random));

function layer(inputs: number, outputs: number, batch: number): TrainedLayer {
  const weights = Float32Array.from(draw(inputs * outputs));
  return {
    inputs,
    outputs,
    weights,
    biases: Float32Array.from(draw(outputs)),
    gradients: { weights: new Float64Array(inputs * outputs), biases: new Float64Array(outputs) },
    rows: Float64Array.from(weights),
    columns: Float64Array.from(
      { length: inputs * outputs },
      (_, index) => weights[(index % outputs) * inputs + Math.floor(index / outputs)],
    ),
    answers: new Float64Array(batch * outputs),
    slopes: new Float64Array(batch * outputs),
  };
}

/** The gradient by the definition, one sample after the other, each sum in its plain order. */
function plainGradients(layers: readonly TrainedLayer[], input: Float64Array, label: number, weight: number) {
  const answers = [Array.from(input)];
  for (const [index, { inputs, outputs, weights, biases }] of layers.entries()) {
    const answer = Array.from({ length: outputs }, (_, output) => {
      let sum = biases[output];
      for (let entry = 0; entry < inputs; entry++)
        sum += answers[index][entry] * weights[output * inputs + entry];
      return index < layers.length - 1 ? Math.max(0, sum) : sum;
    });
    answers.push(answer);
  }
  const [clean, adversarial] = answers.at(-1)!;
  const slope = weight * (1 / (1 + Math.exp(clean - adversarial)) - label);
  let slopes = [-slope, slope];
  const gradients: { weights: number[]; biases: number[] }[] = [];
  for (const [index, { inputs, weights }] of [...layers.entries()].reverse()) {
    const values = answers[index];
    gradients[index] = {
      weights: slopes.flatMap((each) => values.map((value) => each * value)),
      biases: slopes,
    };
    slopes = values.map((value, entry) => {
      let sum = 0;
      for (const [output, each] of slopes.entries()) sum += each * weights[output * inputs + entry];
      return value > 0 ? sum : 0;
    });
  }
  return gradients;
}

it('adds the gradient of each sample in its order, to the bits of the plain sum', () => {
  const [length, batch, count] = [9, 12, 11];
  const layers = [layer(length, 14, batch), layer(14, 6, batch), layer(6, 2, batch)];
  const inputs = draw(batch * length);
  inputs.fill(0, 3, 7);
  const labels = Uint8Array.from({ length: batch }, (_, sample) => sample % 2);
  const weights = Float64Array.from({ length: batch }, (_, sample) => 0.1 * sample);
  addBatchGradient(layers, { inputs, labels, weights, count });
  const sums = layers.map(({ gradients }) => ({
    weights: new Float64Array(gradients.weights.length),
    biases: new Float64Array(gradients.biases.length),
  }));
  for (let sample = 0; sample < count; sample++) {
    const input = inputs.subarray(sample * length, (sample + 1) * length);
    for (const [index, plain] of plainGradients(layers, input, labels[sample], weights[sample]).entries()) {
      for (const [entry, value] of plain.weights.entries()) sums[index].weights[entry] += value;
      for (const [entry, value] of plain.biases.entries()) sums[index].biases[entry] += value;
    }
  }
  expect(layers.map(({ gradients }) => gradients)).toEqual(sums);
});

it('adds nothing for a batch of no sample', () => {
  const layers = [layer(3, 2, 4)];
  const batch = { inputs: draw(12), labels: new Uint8Array(4), weights: new Float64Array(4), count: 0 };
  addBatchGradient(layers, batch);
  expect(layers[0].gradients).toEqual({ weights: new Float64Array(6), biases: new Float64Array(2) });
});

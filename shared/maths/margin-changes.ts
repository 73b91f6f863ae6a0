// From the logits of an input and its transforms to the vector of margin changes, the product's own design.
import { assert, assertShape } from '../assert.ts';
import { argmax, type CopyLogits } from './nccr-vector.ts';

/** Keeps a relative change finite where the two highest logits of the input tie, in logits. */
const marginFloor = 0.05;
/** Keeps the logarithm finite where nothing changed. */
const changeFloor = 1e-4;
/** Entries that each transform gives. */
export const marginChangeEntries = 3;

/**
 * Assembles the vector of margin changes of one input.
 *
 * With y the label of the input, p its softmax and m the margin of y over the best other class, each transform gives
 * `asinh((m' - m) / (m + 0.05))`, `ln(||p' - p||_1 + 1e-4)` and `asinh(m')`. Smallest-epsilon examples show in the first,
 * strong ones, deep inside the wrong class, in how the transforms agree.
 *
 * Deviation: the paper perturbs with noise; under these transforms one score covers both kinds of examples.
 * @param logits [copies + 1, classes], finite; the copies are the transforms
 * @returns [3 copies], finite
 * @throws Error where the values do not have the stated shape
 * @see NCCR, section 3.2, for the change that this is a form of
 */
export function marginChanges({ values, copies, classes }: CopyLogits): Float64Array {
  assertShape(values, [copies + 1, classes], 'logits');
  assert(copies > 0 && classes >= 2, 'a vector needs a copy and two classes');
  const input = values.subarray(0, classes);
  const label = argmax(input);
  const margin = marginOf(input, label);
  const probabilities = softmax(input);
  const vector = new Float64Array(marginChangeEntries * copies);
  for (let copy = 1; copy <= copies; copy++) {
    const row = values.subarray(copy * classes, (copy + 1) * classes);
    const changed = marginOf(row, label);
    const distance = softmax(row).reduce(
      (sum, probability, index) => sum + Math.abs(probability - probabilities[index]),
      0,
    );
    const entries = [
      Math.asinh((changed - margin) / (margin + marginFloor)),
      Math.log(distance + changeFloor),
      Math.asinh(changed),
    ];
    vector.set(entries, (copy - 1) * marginChangeEntries);
  }
  return vector;
}

/** How far a class lies over the best of the others; negative where it is not the highest. */
function marginOf(logits: Float32Array, label: number): number {
  let best = Number.NEGATIVE_INFINITY;
  for (const [index, value] of logits.entries()) if (index !== label && value > best) best = value;
  return logits[label] - best;
}

function softmax(logits: Float32Array): Float64Array {
  const highest = logits[argmax(logits)];
  const powers = Float64Array.from(logits, (value) => Math.exp(value - highest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

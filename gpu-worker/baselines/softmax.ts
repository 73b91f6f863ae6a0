// Softmax of a row of logits, in double precision.

/**
 * Class probabilities.
 * @param logits [classes], finite
 * @returns [classes], each in [0, 1], summing to 1
 */
export function softmax(logits: ArrayLike<number>): Float64Array {
  let largest = Number.NEGATIVE_INFINITY;
  for (let index = 0; index < logits.length; index++) largest = Math.max(largest, logits[index]);
  const exponentials = Float64Array.from(logits, (value) => Math.exp(value - largest));
  const sum = exponentials.reduce((total, value) => total + value, 0);
  return exponentials.map((value) => value / sum);
}

// Random projection: many numbers to few, so that distances all but stay, with nothing learnt of the data.
import { assert } from '../assert.ts';
import { seededRandom } from './random.ts';

/** One for all: whoever compiles a model gets the same directions, and they are no secret. */
const projectionSeed = 2003;

/**
 * The matrix of a projection: every element 1 / sqrt(outputs) or its negative, drawn with equal chance. The squared length of a
 * projected vector is that of the vector in the mean, with a relative deviation of at most sqrt(2 / outputs).
 * @returns row-major [inputs, outputs]
 * @see Achlioptas, "Database-friendly random projections: Johnson-Lindenstrauss with binary coins" (2003), theorem 1.1
 */
export function projectionSigns({
  inputs,
  outputs,
}: {
  inputs: number;
  outputs: number;
}): Float32Array<ArrayBuffer> {
  assert(inputs > outputs && outputs > 0, 'a projection is onto fewer numbers');
  const random = seededRandom(projectionSeed);
  const size = 1 / Math.sqrt(outputs);
  return new Float32Array(inputs * outputs).map(() => (random() < 0.5 ? -size : size));
}

// Eigenvalues and eigenvectors of a symmetric matrix, by Householder's tridiagonal form and implicit QL steps.
import { assert, assertShape } from '../assert.ts';

/** Steps that one eigenvalue may take; three are usual. */
const stepsMax = 60;

/** A symmetric matrix taken apart: matrix = sum over i of values[i] v_i v_i^T. */
export interface SymmetricEigen {
  /** [size], falling. */
  readonly values: Float64Array;
  /** Row-major [size, size]: row i is the unit vector of values[i], its largest component positive. */
  readonly vectors: Float64Array;
}

/** A tridiagonal matrix T and the orthogonal Z with matrix = Z^T T Z, which the QL steps turn in place. */
interface Tridiagonal {
  readonly diagonal: Float64Array;
  /** [size], the last is 0. */
  readonly beside: Float64Array;
  /** Row-major [size, size]. */
  readonly vectors: Float64Array;
}

/**
 * Takes a symmetric matrix apart; time grows with the cube of its size.
 * @param matrix row-major [size, size], symmetric and finite; it is not changed
 * @see Golub and Van Loan, Matrix Computations (4th edition), 8.3.1; Dubrulle, Martin and Wilkinson (1968) for the implicit QL step
 */
export function symmetricEigen(matrix: Float64Array, size: number): SymmetricEigen {
  assertShape(matrix, [size, size], 'matrix');
  assert(
    matrix.every((value) => Number.isFinite(value)),
    'the matrix is finite',
  );
  const form = tridiagonal(matrix, size);
  const { diagonal, beside } = form;
  const scale = diagonal.reduce(
    (most, value, index) => Math.max(most, Math.abs(value) + Math.abs(beside[index])),
    0,
  );
  // Beside entries of rounding's size are zeros: the error is that of storing the matrix.
  const negligible = Number.EPSILON * scale;
  for (let first = 0; first < size; first++) {
    let steps = 0;
    for (;;) {
      let last = first;
      while (last < size - 1 && Math.abs(beside[last]) > negligible) last++;
      if (last === first) break;
      assert(steps++ < stepsMax, 'the QL steps converge');
      stepQl(form, { first, last, size });
    }
  }
  return inOrder(form, size);
}

/** Reflects columns one after the other into tridiagonal form. */
function tridiagonal(matrix: Float64Array, size: number): Tridiagonal {
  const work = matrix.slice();
  const vectors = new Float64Array(size * size);
  for (let index = 0; index < size; index++) vectors[index * (size + 1)] = 1;
  const mirror = new Float64Array(size);
  const product = new Float64Array(size);
  for (let column = 0; column < size - 2; column++) {
    const start = column + 1;
    let squares = 0;
    for (let row = start; row < size; row++) squares += work[row * size + column] ** 2;
    const head = work[start * size + column];
    if (squares === head * head) continue;
    const target = head > 0 ? -Math.sqrt(squares) : Math.sqrt(squares);
    const length = Math.sqrt(2 * (squares - head * target));
    for (let row = start; row < size; row++) mirror[row] = work[row * size + column] / length;
    mirror[start] -= target / length;
    reflectBothSides(work, { mirror, product, start, size });
    work[start * size + column] = target;
    work[column * size + start] = target;
    reflectRows(vectors, { mirror, product, start, size });
  }
  const diagonal = Float64Array.from({ length: size }, (_, index) => work[index * (size + 1)]);
  const beside = Float64Array.from({ length: size }, (_, index) =>
    index < size - 1 ? work[index * (size + 1) + 1] : 0,
  );
  return { diagonal, beside, vectors };
}

interface Reflection {
  /** Unit vector from `start` on. */
  readonly mirror: Float64Array;
  readonly product: Float64Array;
  readonly start: number;
  readonly size: number;
}

/** A <- H A H on the trailing block, as A - v q^T - q v^T with q = p - (v.p) v and p = 2 A v. */
function reflectBothSides(work: Float64Array, { mirror, product, start, size }: Reflection): void {
  let inner = 0;
  for (let row = start; row < size; row++) {
    let sum = 0;
    for (let other = start; other < size; other++) sum += work[row * size + other] * mirror[other];
    product[row] = 2 * sum;
    inner += mirror[row] * product[row];
  }
  for (let row = start; row < size; row++) product[row] -= inner * mirror[row];
  for (let row = start; row < size; row++) {
    const [left, right] = [mirror[row], product[row]];
    for (let other = start; other < size; other++) {
      work[row * size + other] -= left * product[other] + right * mirror[other];
    }
  }
}

/** Z <- H Z. */
function reflectRows(vectors: Float64Array, { mirror, product, start, size }: Reflection): void {
  product.fill(0);
  for (let row = start; row < size; row++) {
    const weight = mirror[row];
    for (let other = 0; other < size; other++) product[other] += weight * vectors[row * size + other];
  }
  for (let row = start; row < size; row++) {
    const weight = 2 * mirror[row];
    for (let other = 0; other < size; other++) vectors[row * size + other] -= weight * product[other];
  }
}

/** One implicit QL step with Wilkinson's shift on the unreduced block first..last. */
function stepQl(
  { diagonal, beside, vectors }: Tridiagonal,
  { first, last, size }: { first: number; last: number; size: number },
): void {
  const slope = (diagonal[first + 1] - diagonal[first]) / (2 * beside[first]);
  const root = Math.hypot(slope, 1);
  const shift = diagonal[first] - beside[first] / (slope + (slope < 0 ? -root : root));
  // A rotation of each pair of neighbours, from the end of the block upward, chases the bulge out of it.
  let chased = diagonal[last] - shift;
  let [sine, cosine, taken] = [1, 1, 0];
  for (let index = last - 1; index >= first; index--) {
    const bulge = sine * beside[index];
    const kept = cosine * beside[index];
    const radius = Math.hypot(bulge, chased);
    beside[index + 1] = radius;
    if (radius === 0) {
      // The block falls apart here: what is left of it is taken up by the next step.
      diagonal[index + 1] -= taken;
      beside[last] = 0;
      return;
    }
    sine = bulge / radius;
    cosine = chased / radius;
    const lower = diagonal[index + 1] - taken;
    const mixed = (diagonal[index] - lower) * sine + 2 * cosine * kept;
    taken = sine * mixed;
    diagonal[index + 1] = lower + taken;
    chased = cosine * mixed - kept;
    const [upperRow, lowerRow] = [index * size, (index + 1) * size];
    for (let column = 0; column < size; column++) {
      const upper = vectors[upperRow + column];
      const under = vectors[lowerRow + column];
      vectors[lowerRow + column] = sine * upper + cosine * under;
      vectors[upperRow + column] = cosine * upper - sine * under;
    }
  }
  diagonal[first] -= taken;
  beside[first] = chased;
  beside[last] = 0;
}

/** Sorts by value, and gives each vector the sign that makes its largest component positive. */
function inOrder({ diagonal, vectors }: Tridiagonal, size: number): SymmetricEigen {
  const order = Array.from(diagonal.keys()).sort((left, right) => diagonal[right] - diagonal[left]);
  const sorted = new Float64Array(size * size);
  for (const [place, row] of order.entries()) {
    const vector = vectors.subarray(row * size, (row + 1) * size);
    const largest = vector.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most), 0);
    for (let index = 0; index < size; index++) {
      sorted[place * size + index] = largest < 0 ? -vector[index] : vector[index];
    }
  }
  return { values: Float64Array.from(order, (row) => diagonal[row]), vectors: sorted };
}

// The pooled covariance of a screening as bytes, so that a job can keep it between its steps.
import { assert } from '../assert.ts';
import { emptyPool, type PooledCovariance } from '../clustering/pooled-whitening.ts';

/** Writes the count, the sums and the products, float64. */
export function writePool({ count, sums, products }: PooledCovariance): Uint8Array<ArrayBuffer> {
  const values = new Float64Array(1 + sums.length + products.length);
  values[0] = count;
  values.set(sums, 1);
  values.set(products, 1 + sums.length);
  return new Uint8Array(values.buffer);
}

/** Reads what `writePool` wrote. */
export function readPool(bytes: Uint8Array<ArrayBuffer>, neurons: number): PooledCovariance {
  const values = new Float64Array(bytes.slice().buffer);
  assert(values.length === 1 + neurons + neurons * neurons, 'the pool is of these neurons');
  const pool = emptyPool(neurons);
  pool.count = values[0];
  pool.sums.set(values.subarray(1, 1 + neurons));
  pool.products.set(values.subarray(1 + neurons));
  return pool;
}

// The pooled covariance between two steps of a job.
import { expect, it } from 'vitest';
import { addClass, emptyPool, whiteningOf } from '../../../shared/clustering/pooled-whitening.ts';
import { readPool, writePool } from '../../../shared/screening/pool-bytes.ts';

it('goes on after it was written and read, to the bit', () => {
  const one = Float32Array.of(1, 2, 3, 5, 8, 13);
  const other = Float32Array.of(2, 1, 0.1, 0.2, 7, -3);
  const whole = emptyPool(2);
  addClass(whole, one);
  const kept = readPool(writePool(whole), 2);
  addClass(whole, other);
  addClass(kept, other);
  expect(kept).toEqual(whole);
  expect(whiteningOf(kept)).toEqual(whiteningOf(whole));
  expect(() => readPool(writePool(whole), 3)).toThrow('of these neurons');
});

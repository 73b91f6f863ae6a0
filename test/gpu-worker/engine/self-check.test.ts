import { expect, it } from 'vitest';
import { seededFeeds } from '../../../gpu-worker/engine/seeded-feeds.ts';
import { relativeError } from '../../../gpu-worker/engine/self-check.ts';
import { float32Tensor, int64Tensor } from '../../../shared/maths/tensor.ts';

const row = (...values: number[]) => float32Tensor(Float32Array.from(values), [1, values.length]);

it('measures the largest difference by the largest value that is expected', () => {
  expect(relativeError(row(1, -4), row(1, -4))).toBe(0);
  // By hand: 0.5 of 4.
  expect(relativeError(row(1.5, -4), row(1, -4))).toBe(0.125);
  expect(relativeError(int64Tensor([1, 2], [2]), int64Tensor([1, 4], [2]))).toBe(0.5);
});

it('takes zeros for equal to zeros, and for different from anything larger', () => {
  expect(relativeError(row(0, 0), row(0, 0))).toBe(0);
  expect(relativeError(row(1e-3, 0), row(0, 0))).toBeGreaterThan(1);
});

it('is NaN where a number of either is not finite, an output is missing or has another shape', () => {
  expect(relativeError(row(Number.NaN), row(1))).toBeNaN();
  expect(relativeError(row(Infinity), row(Infinity))).toBeNaN();
  expect(relativeError(row(1), row(Number.NaN))).toBeNaN();
  expect(relativeError(undefined, row(1))).toBeNaN();
  expect(relativeError(row(1, 1), row(1))).toBeNaN();
});

it('makes inputs up within their ranges, the same for the same seed', () => {
  const specs = [
    { name: 'x', datatype: 'FP32', shape: [-1, 50] },
    { name: 'rows', datatype: 'INT64', shape: [-1, 40] },
    { name: 'weights', datatype: 'FP32', shape: [30] },
  ] as const;
  const ranges = { x: [-1, 1], rows: [0, 3] } as const;
  const feeds = seededFeeds(specs, { rows: 2, seed: 1, ranges });
  expect(feeds).toEqual(seededFeeds(specs, { rows: 2, seed: 1, ranges }));
  expect(feeds).not.toEqual(seededFeeds(specs, { rows: 2, seed: 2, ranges }));
  expect(feeds.x.shape).toEqual([2, 50]);
  const x = [...(feeds.x.data as Float32Array)];
  expect(Math.min(...x)).toBeLessThan(-0.8);
  expect(Math.max(...x)).toBeGreaterThan(0.8);
  expect(new Set(feeds.rows.data as BigInt64Array)).toEqual(new Set([0n, 1n, 2n, 3n]));
  expect(Math.max(...(feeds.weights.data as Float32Array).map(Math.abs))).toBeLessThanOrEqual(0.05);
});

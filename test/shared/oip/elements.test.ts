import { expect, it } from 'vitest';
import { elementsFromBytes } from '../../../shared/oip/elements.ts';

it('reads elements out of a Buffer that is a view of a larger one', () => {
  // Buffer.slice gives a view, Uint8Array.slice a copy; both arrive here.
  const pool = Buffer.alloc(12);
  pool.writeFloatLE(1.5, 4);
  const elements = elementsFromBytes(pool.subarray(4, 8), { datatype: 'FP32', shape: [1] }, '/inputs/0');
  expect(elements).toEqual(Float32Array.of(1.5));
});

import { expect, it } from 'vitest';
import { elementsFromBytes } from '../../../shared/oip/elements.ts';

it('reads elements out of a Buffer that is a view of a larger one', () => {
  // Buffer.slice gives a view, Uint8Array.slice a copy; both arrive here.
  const pool = Buffer.alloc(12);
  pool.writeFloatLE(1.5, 4);
  const elements = elementsFromBytes(pool.subarray(4, 8), { datatype: 'FP32', shape: [1] }, '/inputs/0');
  expect(elements).toEqual(Float32Array.of(1.5));
});

it('refuses a BOOL of raw bytes that is neither 0 nor 1', () => {
  const read = (...bytes: number[]) =>
    elementsFromBytes(Uint8Array.from(bytes), { datatype: 'BOOL', shape: [bytes.length] }, '/inputs/0');
  expect(read(0, 1, 1)).toEqual(Uint8Array.of(0, 1, 1));
  expect(() => read(0, 2)).toThrow('/inputs/0: element 1 (2) is no BOOL');
});

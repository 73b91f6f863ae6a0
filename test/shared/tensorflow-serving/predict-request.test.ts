// Predictions of TensorFlow Serving's REST API: both forms, and what is refused. The forms are those of its documentation.
import { describe, expect, it } from 'vitest';
import { cutPredictRequest, readPredictRequest } from '../../../shared/tensorflow-serving/predict-request.ts';

const profile = { inputName: 'x', inputShape: [2, 2] };
const rows = [
  [
    [1, 2],
    [3, 4],
  ],
  [
    [5, 6],
    [7, 8],
  ],
];

const bytes = (message: unknown) => new TextEncoder().encode(JSON.stringify(message));
const read = (message: unknown) => readPredictRequest(bytes(message), profile);
const cut = (message: unknown, places: readonly number[]) =>
  JSON.parse(new TextDecoder().decode(cutPredictRequest(bytes(message), places)));

describe('readPredictRequest', () => {
  it.each([
    ['rows', { instances: rows }],
    ['rows under the name of the input', { instances: rows.map((x) => ({ x })) }],
    ['a column', { inputs: rows }],
    ['a column under the name of the input', { inputs: { x: rows } }],
    ['the signature that is served by default', { signature_name: 'serving_default', instances: rows }],
  ])('reads %s', (_, message) => {
    const { input } = read(message);
    expect(input).toMatchObject({ name: 'x', datatype: 'FP32', shape: [2, 2, 2] });
    expect([...(input.data as Float32Array)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it.each([
    ['neither form', {}, /either/],
    ['both forms', { instances: rows, inputs: rows }, /either/],
    ['a member that is not known', { instances: rows, other: 1 }, /other/],
    ['no object', [1], /expected object/i],
    ['instances that are no list', { instances: 3 }, /instances/],
  ])('refuses %s as malformed', (_, message, detail) => {
    expect(() => read(message)).toThrow(detail);
    expect(() => read(message)).toThrow(expect.objectContaining({ code: 'malformed_request' }));
  });

  it.each([
    ['another signature', { signature_name: 'other', instances: rows }, /serving_default/],
    ['no row', { instances: [] }, /no row/],
    ['a flat row', { instances: [[1, 2, 3, 4]] }, /nested/],
    ['scalars', { instances: [1, 2, 3, 4, 5, 6, 7, 8] }, /no array/],
    ['a row of another shape', { instances: [rows[0], [[1, 2]]] }, /nested/],
    ['text', { instances: [[['a', 2], rows[0][1]]] }, /string/],
    ['an input of another name', { instances: [{ y: rows[0] }] }, /named x/],
    ['two inputs', { inputs: { x: rows, y: rows } }, /one input/],
    ['a column that is no list', { inputs: 3 }, /array of rows/],
    ['no column', { inputs: null }, /array of rows/],
    ['base64 as a row', { instances: [{ b64: 'AAAA' }] }, /base64/],
    ['base64 under the name of the input', { instances: [{ x: { b64: 'AAAA' } }] }, /base64/],
    ['base64 in a column', { inputs: { x: [{ b64: 'AAAA' }] } }, /base64/],
    ['base64 as the column', { inputs: { b64: 'AAAA' } }, /base64/],
  ])('refuses %s as not fitting the model', (_, message, detail) => {
    expect(() => read(message)).toThrow(detail);
    expect(() => read(message)).toThrow(expect.objectContaining({ code: 'invalid_input' }));
  });
});

describe('cutPredictRequest', () => {
  it('keeps the other rows and the form', () => {
    expect(cut({ signature_name: 's', instances: rows }, [0])).toEqual({
      signature_name: 's',
      instances: [rows[1]],
    });
    expect(cut({ inputs: rows }, [1])).toEqual({ inputs: [rows[0]] });
    expect(cut({ inputs: { x: rows } }, [1])).toEqual({ inputs: { x: [rows[0]] } });
  });
});

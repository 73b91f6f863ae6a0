import { describe, expect, it } from 'vitest';
import { arrayOfInputs, inputsOfArray } from '../../../gpu-worker/datasets/image-array.ts';
import type { Tensor } from '../../../shared/maths/tensor.ts';

// Two images of 2 x 2 pixels with 3 channels; the value is 100 row + 10 pixel + channel, so that places can be read off.
const pixels = [0, 10, 20, 30, 100, 110, 120, 130];
const last: Tensor = {
  datatype: 'FP32',
  shape: [2, 2, 2, 3],
  data: Float32Array.from(pixels.flatMap((pixel) => [pixel, pixel + 1, pixel + 2])),
};
const first = [0, 1, 2]
  .flatMap((channel) => pixels.slice(0, 4).map((pixel) => pixel + channel))
  .concat([0, 1, 2].flatMap((channel) => pixels.slice(4).map((pixel) => pixel + channel)));

describe('image arrays', () => {
  it('with channels last become inputs with channels first, and go back', () => {
    const inputs = inputsOfArray(last, { name: 'x', layout: 'nhwc' });
    expect(inputs.inputShape).toEqual([3, 2, 2]);
    expect([...inputs.inputs]).toEqual(first);
    expect(arrayOfInputs(inputs, { layout: 'nhwc', datatype: 'FP32' })).toEqual(last);
  });

  it('with channels first are kept as they are, of any rank', () => {
    const tensor: Tensor = { datatype: 'FP32', shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) };
    const inputs = inputsOfArray(tensor, { name: 'x', layout: 'nchw' });
    expect(inputs).toEqual({ inputs: tensor.data, inputShape: [3] });
    expect(arrayOfInputs(inputs, { layout: 'nchw', datatype: 'FP32' })).toEqual(tensor);
  });

  it('of bytes are scaled to [0, 1], and every byte comes back', () => {
    const data = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    const tensor: Tensor = { datatype: 'UINT8', shape: [256, 1, 1, 1], data };
    const inputs = inputsOfArray(tensor, { name: 'x', layout: 'nhwc' });
    expect(inputs.inputs[51]).toBe(Math.fround(0.2));
    expect(arrayOfInputs(inputs, { layout: 'nhwc', datatype: 'UINT8' })).toEqual(tensor);
  });

  it('are refused that no model reads', () => {
    const read = (tensor: Tensor, layout: 'nchw' | 'nhwc' = 'nchw') =>
      inputsOfArray(tensor, { name: 'x', layout });
    const data = Float32Array.of(0, 1, 2, Number.NaN);
    expect(() => read({ datatype: 'FP32', shape: [2, 2], data })).toThrow(/x has the value NaN in row 1/);
    expect(() =>
      read({ datatype: 'FP32', shape: [1, 1], data: Float32Array.of(Number.POSITIVE_INFINITY) }),
    ).toThrow(/Infinity in row 0/);
    expect(() => read({ datatype: 'FP64', shape: [1, 1], data: Float64Array.of(1) })).toThrow(/holds FP64/);
    expect(() => read({ datatype: 'FP32', shape: [0, 3], data: new Float32Array(0) })).toThrow(/no rows/);
    expect(() => read({ datatype: 'FP32', shape: [4], data })).toThrow(/no rows/);
    expect(() => read({ datatype: 'UINT8', shape: [1, 2, 2], data: new Uint8Array(4) }, 'nhwc')).toThrow(
      /shape \[1, 2, 2\], NHWC has four/,
    );
    expect(() =>
      arrayOfInputs({ inputs: data, inputShape: [4] }, { layout: 'nhwc', datatype: 'FP32' }),
    ).toThrow(/no channels/);
  });
});

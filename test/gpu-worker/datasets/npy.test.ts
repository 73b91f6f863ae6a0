import { describe, expect, it } from 'vitest';
import { parseNpy, writeNpy } from '../../../gpu-worker/datasets/npy.ts';
import { GuardError } from '../../../shared/errors.ts';
import type { Tensor } from '../../../shared/maths/tensor.ts';

/** A file with that header text, version and body, as numpy.lib.format describes it. */
function npy(header: string, body: readonly number[] | Uint8Array, version = 1): Uint8Array {
  const text = new TextEncoder().encode(header);
  const length = version === 1 ? [text.length & 255, text.length >> 8] : [text.length & 255, 0, 0, 0];
  return Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0, ...length, ...text, ...body);
}

function header(description: string, shape: string, order = 'False'): string {
  return `{'descr': '${description}', 'fortran_order': ${order}, 'shape': ${shape}, }\n`;
}

function bytesOf(array: Float32Array | Float64Array | BigInt64Array): Uint8Array {
  return new Uint8Array(array.buffer);
}

describe('npy files', () => {
  // The bytes of numpy.save for np.array([[1, 2, 3], [4, 5, 6]], 'u1'), NumPy 2: 0x76 characters of header.
  const text = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }".padEnd(0x75);
  const saved = Buffer.from(`\x93NUMPY\x01\x00v\x00${text}\n\x01\x02\x03\x04\x05\x06`, 'latin1');

  it('that NumPy wrote are read, and written again byte for byte', () => {
    const bytes = new Uint8Array(saved);
    const tensor = parseNpy(bytes, 'f');
    expect(tensor).toEqual({ datatype: 'UINT8', shape: [2, 3], data: Uint8Array.of(1, 2, 3, 4, 5, 6) });
    expect(writeNpy(tensor)).toEqual(bytes);
  });

  it.each<Tensor>([
    { datatype: 'FP32', shape: [3], data: Float32Array.of(0.1, Number.NaN, -1e30) },
    { datatype: 'FP64', shape: [1, 2], data: Float64Array.of(Math.PI, -0) },
    { datatype: 'INT32', shape: [2, 1], data: Int32Array.of(-5, 7) },
    { datatype: 'INT64', shape: [2], data: BigInt64Array.of(-(2n ** 62n), 3n) },
    { datatype: 'UINT16', shape: [1], data: Uint16Array.of(65_535) },
    { datatype: 'BOOL', shape: [3], data: Uint8Array.of(1, 0, 1) },
    { datatype: 'FP32', shape: [], data: Float32Array.of(4) },
    { datatype: 'FP32', shape: [0, 5], data: new Float32Array(0) },
  ])('of $datatype with shape $shape come back as they were', (tensor) => {
    const bytes = writeNpy(tensor);
    expect((bytes.length - tensor.data.byteLength) % 64).toBe(0);
    expect(parseNpy(bytes, 'f')).toEqual(tensor);
    // From an odd offset of a larger buffer, as a zip file holds them.
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    expect(parseNpy(shifted.subarray(3), 'f')).toEqual(tensor);
  });

  it('in Fortran order are put in row-major order', () => {
    // By hand: element (i, j, k) of shape (2, 3, 2) is 100 i + 10 j + k; the first axis moves fastest in the file.
    const fortran = [0, 100, 10, 110, 20, 120, 1, 101, 11, 111, 21, 121];
    const file = npy(header('|u1', '(2, 3, 2)', 'True'), fortran);
    expect([...parseNpy(file, 'f').data]).toEqual([0, 1, 10, 11, 20, 21, 100, 101, 110, 111, 120, 121]);
  });

  it('of versions 2 and 3 and with keys in another order are read', () => {
    const text = "{'shape': (1,), 'fortran_order': False, 'descr': '<f4'}   \n";
    for (const version of [2, 3]) {
      expect([...parseNpy(npy(text, bytesOf(Float32Array.of(2.5)), version), 'f').data]).toEqual([2.5]);
    }
  });

  it.each([
    ['something else', new TextEncoder().encode('hello, world'), /f is no \.npy file/],
    ['an empty file', new Uint8Array(0), /no \.npy file/],
    ['a magic alone', npy('', []).subarray(0, 7), /ends in its header/],
    ['a header that is cut', npy(header('|u1', '(2,)'), []).subarray(0, 30), /ends in its header/],
    ['a header of 60,000 characters', npy(' '.repeat(60_000), []), /header of 60000 characters/],
    ['a later version', npy(header('|u1', '(1,)'), [1], 4), /version 4/],
    ['fewer elements than it says', npy(header('<f4', '(2,)'), [0, 0, 0, 0]), /4 bytes.*says 8/],
    ['more elements than it says', npy(header('|u1', '(2,)'), [1, 2, 3]), /3 bytes.*says 2/],
    ['a shape of 4 TB', npy(header('<f4', '(1048576, 1048576)'), [0]), /more than/],
    ['a shape beyond all numbers', npy(header('<f4', `(${'9'.repeat(400)}, 0)`), []), /more than/],
    ['a negative extent', npy(header('|u1', '(-1,)'), [1]), /cannot be read/],
    ['nine dimensions', npy(header('|u1', '(1,1,1,1,1,1,1,1,1)'), [1]), /9 dimensions/],
    ['big-endian numbers', npy(header('>f4', '(1,)'), [0, 0, 0, 0]), /type >f4/],
    ['text', npy(header('<U2', '()'), new Uint8Array(8)), /type <U2/],
    ['objects', npy(header('|O', '(1,)'), [128]), /type \|O/],
    ['records', npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", [0]), /type \[/],
    ['no shape', npy("{'descr': '|u1', 'fortran_order': False}", [1]), /cannot be read/],
    ['code', npy("__import__('os')", [1]), /cannot be read/],
    ['a key twice', npy("{'shape': (1,), 'shape': (2,)}", [1]), /cannot be read/],
    ['a bool of 7', npy(header('|b1', '(1,)'), [7]), /neither 0 nor 1/],
  ])('are refused that hold %s', (_, bytes, message) => {
    expect(() => parseNpy(bytes, 'f')).toThrow(message);
    expect(() => parseNpy(bytes, 'f')).toThrow(GuardError);
  });
});

// npz uploads that are refused, with the place that is wrong.
import { zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { writeNpy } from '../../../gpu-worker/datasets/npy.ts';
import type { Tensor } from '../../../shared/maths/tensor.ts';
import {
  images,
  labels,
  npz,
  npzOptions,
  patched,
  pixels,
  readNpzUpload,
} from '../../helpers/npz-fixture.ts';
import { fileOf, patternedBytes, readAll } from '../../helpers/upload-fixture.ts';

describe('npz uploads', () => {
  it('are refused where labels are out of range, too few, no whole numbers or all the same', async () => {
    const y = (datatype: 'INT64' | 'INT32', ...values: number[]): Tensor =>
      datatype === 'INT64'
        ? { datatype, shape: [values.length], data: BigInt64Array.from(values, BigInt) }
        : { datatype, shape: [values.length], data: Int32Array.from(values) };
    const refuse = (labels: Tensor, message: RegExp, more = {}) =>
      expect(readNpzUpload(npz({ x: images, y: labels }), more)).rejects.toThrow(message);
    await refuse(y('INT64', 0, 1, 2, 10, 3), /label 10 at example 3; 10 classes has the model/);
    await refuse(y('INT32', 0, -1, 2, 0, 3), /label -1 at example 1/);
    await refuse(y('INT64', 0, 2 ** 53, 2, 0, 3), /label 9007199254740992/, { classes: undefined });
    await refuse(y('INT32', 0, 1), /5 images, y.npy in set.npz has shape \[2\]/);
    await refuse({ datatype: 'UINT8', shape: [5, 2], data: new Uint8Array(10) }, /one label each/);
    await refuse({ datatype: 'FP32', shape: [5], data: new Float32Array(5) }, /FP32; labels are whole/);
    await refuse(y('INT32', 3, 3, 3, 3, 3), /label 3; two classes/);
  });

  it('are refused where a float is not finite or out of its range', async () => {
    const at = (value: number, more = {}) => {
      const data = new Float32Array(5 * 12).fill(0.5);
      data[40] = value;
      return readNpzUpload(npz({ x: { datatype: 'FP32', shape: [5, 3, 4], data }, y: labels }), more);
    };
    await expect(at(Number.NaN)).rejects.toThrow(/value NaN in example 3: every pixel must be finite/);
    await expect(at(Number.POSITIVE_INFINITY)).rejects.toThrow(/Infinity in example 3/);
    await expect(at(1.5)).rejects.toThrow(/value 1.5 in example 3; pixels are 0 to 1/);
    await expect(at(-0.25)).rejects.toThrow(/-0.25/);
    expect((await at(-0.25, { pixelRange: [-1, 1] })).summary.examples).toBe(5);
  });

  it('are refused where the array of images is of another type or order', async () => {
    const header = (descr: string, order: string, shape: string) => {
      const text = `{'descr': ${descr}, 'fortran_order': ${order}, 'shape': ${shape}, }\n`;
      return Uint8Array.of(
        ...Buffer.from('\x93NUMPY\x01\x00', 'latin1'),
        text.length,
        0,
        ...Buffer.from(text),
      );
    };
    const refuse = (x: Uint8Array | Tensor, message: RegExp) =>
      expect(readNpzUpload(npz({ x, y: labels }))).rejects.toThrow(message);
    const fortran = Uint8Array.of(...header("'|u1'", 'True', '(5, 2, 2)'), ...new Uint8Array(20));
    await refuse(fortran, /x.npy in set.npz is in Fortran order; numpy.ascontiguousarray/);
    await refuse(header("'|O'", 'False', '(5,)'), /elements of type \|O/);
    await refuse(header("'>f4'", 'False', '(5, 1, 1)'), /elements of type >f4/);
    await refuse(header("[('a', '<f4')]", 'False', '(5,)'), /elements of type \[/);
    await refuse(header("'|u1'", 'False', '(0, 3, 3)'), /no examples/);
    await refuse(header("'|u1'", 'False', '()'), /1 says 1|says 1/);
    await refuse(header("'|u1'", 'False', `(${'9'.repeat(400)}, 0, 1)`), /x.npy/);
    await refuse({ ...images, shape: [6, 3, 2, 6], data: new Uint8Array(216) }, /6 images/);
    await refuse({ datatype: 'FP64', shape: [5, 1, 1], data: new Float64Array(5) }, /FP64; images are uint8/);
    await refuse(
      writeNpy(images).subarray(0, -1),
      /179 bytes of elements, its shape \[5, 3, 2, 6\].*says 180/,
    );
    await refuse(new Uint8Array(0), /no \.npy file/);
    await refuse(header("'|u1'", 'False', '(5, 1, 1)').subarray(0, 40), /ends in its header/);
  });

  it('are refused where the archive is cut short anywhere, empty or something else', async () => {
    for (const deflate of [true, false]) {
      const archive = npz({ x: images, y: labels }, deflate);
      for (let end = 0; end < archive.length; end += 23) {
        await expect(readNpzUpload(archive.subarray(0, end))).rejects.toThrow(/no zip file, or cut short/);
      }
    }
    await expect(readNpzUpload(npz({}))).rejects.toThrow(/lacks the arrays x and y; it has: none/);
    await expect(readNpzUpload(patternedBytes(500))).rejects.toThrow(/no zip file/);
    await expect(readAll([fileOf('a', npz({})), fileOf('b', npz({}))], npzOptions)).rejects.toThrow(
      /is one file/,
    );
  });

  it('are refused where bytes are damaged', async () => {
    for (const deflate of [true, false]) {
      const archive = npz({ x: images, y: labels }, deflate);
      // The 100th byte from the end of x's content, which fflate puts first.
      const at = 30 + 5 + (new DataView(archive.buffer).getUint32(18, true) || 0) - 100;
      archive[at] ^= 0x55;
      await expect(readNpzUpload(archive)).rejects.toThrow(
        /x.npy in set.npz (is damaged|is cut short|unpacks to more)/,
      );
    }
    const archive = npz({ x: images, y: labels });
    await expect(readNpzUpload(patched(archive, 0, 16, 1))).rejects.toThrow(
      /checksum is not that of its bytes/,
    );
  });

  it('are refused where the directory lies of sizes, places, names or methods', async () => {
    const archive = npz({ x: images, y: labels }, false);
    const view = new DataView(archive.buffer);
    const size = view.getUint32(18, true);
    const refuse = (entry: number, field: number, value: number, message: RegExp) =>
      expect(readNpzUpload(patched(archive, entry, field, value))).rejects.toThrow(message);
    await refuse(0, 24, size + 1, /stored in .* bytes and said to have/);
    await refuse(0, 20, size + 500, /stored in|reaches into what follows/);
    await refuse(0, 42, 7, /reaches into|not where the directory says/);
    await refuse(1, 42, 0, /reaches into what follows it/);
    await refuse(1, 42, 2 ** 31, /reaches into what follows it/);
    await refuse(0, 8, 1, /encrypted/);
    await refuse(0, 10, 12, /packed by method 12/);
    await refuse(0, 46, 0x706e2e7a, /named or packed otherwise|lacks the arrays/);
    await refuse(0, 0, 0, /directory cannot be read/);
    const packed = npz({ x: images, y: labels });
    const bytes = writeNpy(images).length;
    await expect(readNpzUpload(patched(packed, 0, 24, bytes - 1))).rejects.toThrow(
      /x.npy in set.npz unpacks to more than/,
    );
    const twice = new Uint8Array(npz({ x: images, z: labels }));
    for (let at = 0; at < twice.length; at++) {
      if (Buffer.from(twice.subarray(at, at + 5)).toString('latin1') === 'z.npy')
        twice[at] = 'x'.charCodeAt(0);
    }
    await expect(readNpzUpload(twice)).rejects.toThrow(/two entries of the name x.npy/);
  });

  it('are refused where they unpack to too much, as said or in truth', async () => {
    const x: Tensor = { datatype: 'UINT8', shape: [5, 3, 100, 1000], data: new Uint8Array(1_500_000) };
    const bomb = npz({ x, y: labels });
    const limits = { inflationFreeBytes: 100_000 };
    await expect(readNpzUpload(bomb, {}, limits)).rejects.toMatchObject({
      code: 'body_too_large',
      message: expect.stringMatching(/x.npy in set.npz unpacks to more than 100 times its size/),
    });
    await expect(readNpzUpload(bomb, {}, { inflatedBytes: 1_000_000 })).rejects.toMatchObject({
      code: 'body_too_large',
    });
    await expect(readNpzUpload(bomb)).resolves.toMatchObject({ summary: { examples: 5 } });
    // The directory says less than the entry unpacks to, and the array's own header says as much.
    const small = writeNpy({ datatype: 'UINT8', shape: [5, 3, 2, 6], data: pixels });
    const lying = npz({ x: Uint8Array.of(...small, ...new Uint8Array(5000)), y: labels });
    await expect(readNpzUpload(patched(lying, 0, 24, small.length))).rejects.toThrow(
      `x.npy in set.npz unpacks to more than the ${small.length} bytes it says`,
    );
    await expect(readNpzUpload(bomb, {}, { exampleBytes: 299_999 })).rejects.toMatchObject({
      code: 'body_too_large',
    });
  });

  it('are refused where there are too many entries', async () => {
    const many = Object.fromEntries(
      Array.from({ length: 1025 }, (_, index) => [`a${index}`, new Uint8Array(0)]),
    );
    await expect(readNpzUpload(npz(many))).rejects.toMatchObject({ code: 'body_too_large' });
  });

  it('are refused where two entries are one array, or the entries are counted in two ways', async () => {
    const twice = zipSync({ 'x.npy': writeNpy(images), x: writeNpy(images), 'y.npy': writeNpy(labels) });
    await expect(readNpzUpload(twice)).rejects.toThrow(/two arrays of one name/);
    const counted = zipSync({ 'x.npy': writeNpy(images), 'y.npy': writeNpy(labels) });
    // Entries in this part of the archive, which some readers go by; the count of all stands behind it.
    counted[counted.length - 14] = 1;
    await expect(readNpzUpload(counted)).rejects.toThrow(/counts its entries in two ways/);
  });
});

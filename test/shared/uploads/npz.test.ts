// npz uploads: read as NumPy writes them, refused with the place that is wrong.
import { zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { writeNpy } from '../../../gpu-worker/datasets/npy.ts';
import type { Tensor } from '../../../shared/maths/tensor.ts';
import type { UploadOptions } from '../../../shared/uploads/upload.ts';
import { fileOf, patternedBytes, readAll } from '../../helpers/upload-fixture.ts';

const options: UploadOptions = { format: 'npz', batch: 2, classes: 10 };

const pixels = patternedBytes(5 * 3 * 2 * 6);
const images: Tensor = { datatype: 'UINT8', shape: [5, 3, 2, 6], data: pixels };
const labels: Tensor = { datatype: 'INT64', shape: [5], data: BigInt64Array.of(7n, 0n, 7n, 1n, 9n) };

/** An archive of these arrays, deflated or stored. */
function npz(
  arrays: Readonly<Record<string, Tensor | Uint8Array>>,
  deflated = true,
): Uint8Array<ArrayBuffer> {
  const files = Object.entries(arrays).map(([name, array]) => [
    `${name}.npy`,
    array instanceof Uint8Array ? array : writeNpy(array),
  ]);
  return zipSync(Object.fromEntries(files), { level: deflated ? 6 : 0 });
}

function read(bytes: Uint8Array, more: Partial<UploadOptions> = {}, limits = {}) {
  return readAll([fileOf('set.npz', bytes)], { ...options, ...more }, limits);
}

/** A copy whose 32-bit number at a place of the n-th directory entry is another. */
function patched(archive: Uint8Array, entry: number, field: number, value: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(archive);
  const view = new DataView(bytes.buffer);
  let at = -1;
  for (let found = 0; found <= entry; found++) {
    do at++;
    while (view.getUint32(at, true) !== 0x02014b50);
  }
  view.setUint32(at + field, value, true);
  return bytes;
}

describe('npz uploads', () => {
  it.each([
    ['numpy.savez', stored()],
    ['numpy.savez_compressed', deflated()],
    ['zipfile with sizes of 64 bits', wide()],
  ])('that %s of NumPy 2.4 wrote are read', async (_, archive) => {
    // x is numpy.arange(12) of shape (2, 3, 2, 1), y is [3, 1].
    const { batches, summary } = await read(archive, { layout: 'nhwc' });
    expect(batches).toEqual([
      {
        firstRow: 0,
        labels: Int32Array.of(3, 1),
        pixels: { shape: [1, 3, 2], datatype: 'UINT8', data: Uint8Array.from({ length: 12 }, (_, i) => i) },
      },
    ]);
    expect(summary).toEqual({ examples: 2, classCounts: [0, 1, 0, 1] });
  });

  it('give the same batches stored and deflated, in either order of the arrays, however they are cut', async () => {
    const whole = await read(npz({ x: images, y: labels }));
    expect(whole.batches.map(({ firstRow, labels }) => [firstRow, ...labels])).toEqual([
      [0, 7, 0],
      [2, 7, 1],
      [4, 9],
    ]);
    expect(whole.batches[2].pixels).toEqual({ shape: [3, 2, 6], datatype: 'UINT8', data: pixels.slice(-36) });
    for (const sizes of [[1], [13, 200], [5, 1, 1]]) {
      for (const archive of [
        npz({ x: images, y: labels }, false),
        npz({ y: labels, other: labels, x: images }),
      ]) {
        expect(await readAll([fileOf('set.npz', archive, sizes)], options)).toEqual(whole);
      }
    }
  });

  it('give float32 as it is and put channels first', async () => {
    // By hand: pixel (row, column) of channel c is 100 c + 10 row + column, over 1,000.
    const at = (c: number, row: number, column: number) => Math.fround((100 * c + 10 * row + column) / 1000);
    const last = [0, 1].flatMap((r) => [0, 1, 2, 3, 4].flatMap((k) => [0, 1, 2].map((c) => at(c, r, k))));
    const first = [0, 1, 2].flatMap((c) => [0, 1].flatMap((r) => [0, 1, 2, 3, 4].map((k) => at(c, r, k))));
    const x: Tensor = { datatype: 'FP32', shape: [2, 2, 5, 3], data: Float32Array.from([...last, ...last]) };
    const y: Tensor = { datatype: 'UINT8', shape: [2, 1], data: Uint8Array.of(0, 1) };
    const { batches } = await read(npz({ x, y }), { layout: 'nhwc' });
    expect(batches[0].pixels).toEqual({
      shape: [3, 2, 5],
      datatype: 'FP32',
      data: Float32Array.from([...first, ...first]),
    });
  });

  it('find out where the channels stand where one axis alone can hold them', async () => {
    const shapeOf = async (shape: number[], more: Partial<UploadOptions> = {}) => {
      const data = new Uint8Array(shape.reduce((a, b) => a * b));
      const y: Tensor = { datatype: 'INT32', shape: [2], data: Int32Array.of(0, 1) };
      return (await read(npz({ x: { datatype: 'UINT8', shape, data }, y }), more)).batches[0].pixels?.shape;
    };
    expect(await shapeOf([2, 3, 8, 9])).toEqual([3, 8, 9]);
    expect(await shapeOf([2, 8, 9, 3])).toEqual([3, 8, 9]);
    expect(await shapeOf([2, 8, 9])).toEqual([1, 8, 9]);
    expect(await shapeOf([2, 3, 3, 3], { layout: 'nhwc' })).toEqual([3, 3, 3]);
    expect(await shapeOf([2, 16, 8, 2], { shape: [16, 8, 2] })).toEqual([16, 8, 2]);
    expect(await shapeOf([2, 12], { shape: [3, 2, 2] })).toEqual([3, 2, 2]);
    await expect(shapeOf([2, 3, 9, 3])).rejects.toThrow(/does not say where the channels stand/);
    await expect(shapeOf([2, 8, 9, 7])).rejects.toThrow(/does not say where the channels stand/);
    await expect(shapeOf([2, 8, 9, 3], { shape: [3, 9, 8] })).rejects.toThrow(
      /the model reads .*\[3, 9, 8\]/,
    );
    await expect(shapeOf([2, 12])).rejects.toThrow(/images are \[N, C, H, W\]/);
    await expect(shapeOf([2, 1, 1, 1, 1])).rejects.toThrow(/images are \[N, C, H, W\]/);
  });

  it('take labels of any whole type, under other names', async () => {
    const values = [0, 1, 2, 3, 4];
    for (const [datatype, data] of [
      ['UINT8', Uint8Array.from(values)],
      ['INT8', Int8Array.from(values)],
      ['UINT16', Uint16Array.from(values)],
      ['INT32', Int32Array.from(values)],
      ['UINT64', BigUint64Array.from(values, BigInt)],
    ] as const) {
      const archive = npz({ images, labels: { datatype, shape: [5], data } });
      expect((await read(archive)).summary.classCounts).toEqual([1, 1, 1, 1, 1]);
    }
    const archive = npz({ x_train: images, y_train: labels });
    const arrays = { images: 'x_train', labels: 'y_train' };
    expect((await read(archive, { arrays })).summary.examples).toBe(5);
    await expect(read(archive)).rejects.toThrow(/lacks the arrays x and y; it has: x_train, y_train/);
  });

  it('are refused where labels are out of range, too few, no whole numbers or all the same', async () => {
    const y = (datatype: 'INT64' | 'INT32', ...values: number[]): Tensor =>
      datatype === 'INT64'
        ? { datatype, shape: [values.length], data: BigInt64Array.from(values, BigInt) }
        : { datatype, shape: [values.length], data: Int32Array.from(values) };
    const refuse = (labels: Tensor, message: RegExp, more = {}) =>
      expect(read(npz({ x: images, y: labels }), more)).rejects.toThrow(message);
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
      return read(npz({ x: { datatype: 'FP32', shape: [5, 3, 4], data }, y: labels }), more);
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
      expect(read(npz({ x, y: labels }))).rejects.toThrow(message);
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
        await expect(read(archive.subarray(0, end))).rejects.toThrow(/no zip file, or cut short/);
      }
    }
    await expect(read(npz({}))).rejects.toThrow(/lacks the arrays x and y; it has: none/);
    await expect(read(patternedBytes(500))).rejects.toThrow(/no zip file/);
    await expect(readAll([fileOf('a', npz({})), fileOf('b', npz({}))], options)).rejects.toThrow(
      /is one file/,
    );
  });

  it('are refused where bytes are damaged', async () => {
    for (const deflate of [true, false]) {
      const archive = npz({ x: images, y: labels }, deflate);
      // The 100th byte from the end of x's content, which fflate puts first.
      const at = 30 + 5 + (new DataView(archive.buffer).getUint32(18, true) || 0) - 100;
      archive[at] ^= 0x55;
      await expect(read(archive)).rejects.toThrow(
        /x.npy in set.npz (is damaged|is cut short|unpacks to more)/,
      );
    }
    const archive = npz({ x: images, y: labels });
    await expect(read(patched(archive, 0, 16, 1))).rejects.toThrow(/checksum is not that of its bytes/);
  });

  it('are refused where the directory lies of sizes, places, names or methods', async () => {
    const archive = npz({ x: images, y: labels }, false);
    const view = new DataView(archive.buffer);
    const size = view.getUint32(18, true);
    const refuse = (entry: number, field: number, value: number, message: RegExp) =>
      expect(read(patched(archive, entry, field, value))).rejects.toThrow(message);
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
    await expect(read(patched(packed, 0, 24, bytes - 1))).rejects.toThrow(
      /x.npy in set.npz unpacks to more than/,
    );
    const twice = new Uint8Array(npz({ x: images, z: labels }));
    for (let at = 0; at < twice.length; at++) {
      if (Buffer.from(twice.subarray(at, at + 5)).toString('latin1') === 'z.npy')
        twice[at] = 'x'.charCodeAt(0);
    }
    await expect(read(twice)).rejects.toThrow(/two entries of the name x.npy/);
  });

  it('are refused where they unpack to too much, as said or in truth', async () => {
    const x: Tensor = { datatype: 'UINT8', shape: [5, 3, 100, 1000], data: new Uint8Array(1_500_000) };
    const bomb = npz({ x, y: labels });
    const limits = { inflationFreeBytes: 100_000 };
    await expect(read(bomb, {}, limits)).rejects.toMatchObject({
      code: 'body_too_large',
      message: expect.stringMatching(/x.npy in set.npz unpacks to more than 100 times its size/),
    });
    await expect(read(bomb, {}, { inflatedBytes: 1_000_000 })).rejects.toMatchObject({
      code: 'body_too_large',
    });
    await expect(read(bomb)).resolves.toMatchObject({ summary: { examples: 5 } });
    // The directory says less than the entry unpacks to, and the array's own header says as much.
    const small = writeNpy({ datatype: 'UINT8', shape: [5, 3, 2, 6], data: pixels });
    const lying = npz({ x: Uint8Array.of(...small, ...new Uint8Array(5000)), y: labels });
    await expect(read(patched(lying, 0, 24, small.length))).rejects.toThrow(
      `x.npy in set.npz unpacks to more than the ${small.length} bytes it says`,
    );
    await expect(read(bomb, {}, { exampleBytes: 299_999 })).rejects.toMatchObject({ code: 'body_too_large' });
  });

  it('are refused where there are too many entries', async () => {
    const many = Object.fromEntries(
      Array.from({ length: 1025 }, (_, index) => [`a${index}`, new Uint8Array(0)]),
    );
    await expect(read(npz(many))).rejects.toMatchObject({ code: 'body_too_large' });
  });
});

function stored(): Uint8Array {
  return base64(
    'UEsDBC0AAAAAAAAAIQCM3jPg//////////8FABQAeS5ucHkBABAAkAAAAAAAAACQAAAAAAAAAJNOVU1QWQEAdgB7J2Rlc2NyJzogJzxp',
    'OCcsICdmb3J0cmFuX29yZGVyJzogRmFsc2UsICdzaGFwZSc6ICgyLCksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg',
    'ICAgICAgICAgICAgICAgICAgICAgICAgICAKAwAAAAAAAAABAAAAAAAAAFBLAwQtAAAAAAAAACEAdA75MP//////////BQAUAHgubnB5',
    'AQAQAIwAAAAAAAAAjAAAAAAAAACTTlVNUFkBAHYAeydkZXNjcic6ICd8dTEnLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUn',
    'OiAoMiwgMywgMiwgMSksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgCgABAgMEBQYH',
    'CAkKC1BLAQItAy0AAAAAAAAAIQCM3jPgkAAAAJAAAAAFAAAAAAAAAAAAAACAAQAAAAB5Lm5weVBLAQItAy0AAAAAAAAAIQB0DvkwjAAA',
    'AIwAAAAFAAAAAAAAAAAAAACAAccAAAB4Lm5weVBLBQYAAAAAAgACAGYAAACKAQAAAAA=',
  );
}

function deflated(): Uint8Array {
  return base64(
    'UEsDBC0AAAAIAAAAIQCM3jPg//////////8FABQAeS5ucHkBABAAkAAAAAAAAABKAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loG6T',
    'aaGuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GkY6mjoKtQoUAC5mBghghNIAUEsDBC0AAAAIAAAAIQB0Dvkw//////////8F',
    'ABQAeC5ucHkBABAAjAAAAAAAAABXAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loF5Taqiuo6Cell9UUpSYF59flJIKEndLzClOBYoX',
    'ZyQWpAL5GkY6CsY6CkDSUFNHoVaBDMDFwMjEzMLKxs7BycUNAFBLAQItAy0AAAAIAAAAIQCM3jPgSgAAAJAAAAAFAAAAAAAAAAAAAACA',
    'AQAAAAB5Lm5weVBLAQItAy0AAAAIAAAAIQB0DvkwVwAAAIwAAAAFAAAAAAAAAAAAAACAAYEAAAB4Lm5weVBLBQYAAAAAAgACAGYAAAAP',
    'AQAAAAA=',
  );
}

function wide(): Uint8Array {
  return base64(
    'UEsDBC0AAAAIAAAAIQCM3jPg//////////8FABQAeS5ucHkBABAAkAAAAAAAAABKAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loG6TaaGuo6Cell9U',
    'UpSYF59flJIKEndLzClOBYoXZyQWpAL5GkY6mjoKtQoUAC5mBghghNIAUEsDBC0AAAAIAAAAIQB0Dvkw//////////8FABQAeC5ucHkBABAAjAAAAAAA',
    'AABXAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loF5Taqiuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GkY6CsY6CkDSUFNHoVaBDMDFwMjE',
    'zMLKxs7BycUNAFBLAQItAy0AAAAIAAAAIQCM3jPg//////////8FABQAAAAAAAAAAACAAQAAAAB5Lm5weQEAEACQAAAAAAAAAEoAAAAAAAAAUEsBAi0D',
    'LQAAAAgAAAAhAHQO+TD//////////wUAHAAAAAAAAAAAAIAB/////3gubnB5AQAYAIwAAAAAAAAAVwAAAAAAAACBAAAAAAAAAFBLBgYsAAAAAAAAAC0A',
    'LQAAAAAAAAAAAAIAAAAAAAAAAgAAAAAAAACWAAAAAAAAAA8BAAAAAAAAUEsGBwAAAAClAQAAAAAAAAEAAABQSwUGAAAAAAIAAgCWAAAADwEAAAAA',
  );
}

function base64(...lines: readonly string[]): Uint8Array {
  return new Uint8Array(Buffer.from(lines.join(''), 'base64'));
}

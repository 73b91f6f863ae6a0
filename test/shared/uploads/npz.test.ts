// npz uploads: read as NumPy writes them.
import { describe, expect, it } from 'vitest';
import type { Tensor } from '../../../shared/maths/tensor.ts';
import type { UploadOptions } from '../../../shared/uploads/upload.ts';
import { images, labels, npz, npzOptions, pixels, readNpzUpload } from '../../helpers/npz-fixture.ts';
import { fileOf, readAll } from '../../helpers/upload-fixture.ts';

describe('npz uploads', () => {
  it.each([
    ['numpy.savez', stored()],
    ['numpy.savez_compressed', deflated()],
    ['zipfile with sizes of 64 bits', wide()],
  ])('that %s of NumPy 2.4 wrote are read', async (_, archive) => {
    // x is numpy.arange(12) of shape (2, 3, 2, 1), y is [3, 1].
    const { batches, summary } = await readNpzUpload(archive, { layout: 'nhwc' });
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
    const whole = await readNpzUpload(npz({ x: images, y: labels }));
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
        expect(await readAll([fileOf('set.npz', archive, sizes)], npzOptions)).toEqual(whole);
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
    const { batches } = await readNpzUpload(npz({ x, y }), { layout: 'nhwc' });
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
      return (await readNpzUpload(npz({ x: { datatype: 'UINT8', shape, data }, y }), more)).batches[0].pixels
        ?.shape;
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
      expect((await readNpzUpload(archive)).summary.classCounts).toEqual([1, 1, 1, 1, 1]);
    }
    const archive = npz({ x_train: images, y_train: labels });
    const arrays = { images: 'x_train', labels: 'y_train' };
    expect((await readNpzUpload(archive, { arrays })).summary.examples).toBe(5);
    await expect(readNpzUpload(archive)).rejects.toThrow(
      /lacks the arrays x and y; it has: x_train, y_train/,
    );
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

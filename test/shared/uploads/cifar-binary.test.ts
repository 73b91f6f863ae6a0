// CIFAR binary uploads: one file behind the other, records whole.
import { describe, expect, it } from 'vitest';
import type { UploadOptions } from '../../../shared/uploads/upload.ts';
import { fileOf, gzipped, patternedBytes, readAll } from '../../helpers/upload-fixture.ts';

const options: UploadOptions = { format: 'cifar-binary', batch: 2 };

/** Records of these labels; the pixels of each follow from its place. */
function records(labels: readonly (readonly number[])[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(labels.flatMap((label, row) => [...label, ...patternedBytes(3072, row)]));
}

describe('CIFAR binary uploads', () => {
  const first = records([[3], [9], [0]]);
  const second = records([[1], [1]]);

  it('give the records of all files in their order, plain or gzipped, however they are cut', async () => {
    const whole = await readAll([fileOf('a', first), fileOf('b', second)], options);
    expect(whole.batches.map(({ firstRow, labels }) => [firstRow, ...labels])).toEqual([
      [0, 3, 9],
      [2, 0],
      [3, 1, 1],
    ]);
    expect(whole.batches[1].pixels).toEqual({
      shape: [3, 32, 32],
      datatype: 'UINT8',
      data: patternedBytes(3072, 2),
    });
    expect(whole.summary).toEqual({ examples: 5, classCounts: [1, 2, 0, 1, 0, 0, 0, 0, 0, 1] });
    for (const sizes of [[1000, 1], [3073], [5000]]) {
      const files = [fileOf('a', gzipped(first), sizes), fileOf('b', second, sizes)];
      expect(await readAll(files, options)).toEqual(whole);
    }
  });

  it('of 100 classes are read by their fine label', async () => {
    const file = records([
      [4, 72],
      [1, 99],
    ]);
    const { batches } = await readAll([fileOf('a', file)], { ...options, cifarClasses: 100 });
    expect([...batches[0].labels]).toEqual([72, 99]);
    expect(batches[0].pixels?.data).toEqual(
      Uint8Array.of(...patternedBytes(3072, 0), ...patternedBytes(3072, 1)),
    );
  });

  it('are refused where they are empty, end within a record, have a wrong label or one class', async () => {
    await expect(readAll([fileOf('a', new Uint8Array(0))], options)).rejects.toThrow(/a has no examples/);
    for (const end of [1, 3072, 3074, first.length - 1]) {
      await expect(readAll([fileOf('a', first.subarray(0, end))], options)).rejects.toThrow(
        /cut short or no CIFAR-10 file: it ends within record [012] /,
      );
    }
    await expect(readAll([fileOf('a', records([[1], [10]]))], options)).rejects.toThrow(
      /label 10 at example 1; 10 classes/,
    );
    await expect(readAll([fileOf('a', first)], { ...options, classes: 9 })).rejects.toThrow(/label 9/);
    await expect(readAll([fileOf('b', second)], options)).rejects.toThrow(/label 1; two classes/);
    await expect(readAll([fileOf('a', first)], { ...options, shape: [3, 28, 28] })).rejects.toThrow(
      /the model reads \[3, 28, 28\]/,
    );
    await expect(readAll([fileOf('a', first)], options, { examples: 2 })).rejects.toMatchObject({
      code: 'body_too_large',
    });
  });
});

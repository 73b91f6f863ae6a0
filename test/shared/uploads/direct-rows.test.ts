// Rows read where they lie in an upload: the batches of its reading, to the bit; none where the files are compressed.
import { describe, expect, it } from 'vitest';
import { float32Tensor, type Tensor } from '../../../shared/maths/tensor.ts';
import { openDirectRows } from '../../../shared/uploads/direct-rows.ts';
import type { UploadFile, UploadOptions } from '../../../shared/uploads/upload.ts';
import { images, labels, npz, npzOptions, pixels } from '../../helpers/npz-fixture.ts';
import { fileOf, gzipped, idxFile, patternedBytes, readAll, tarFile } from '../../helpers/upload-fixture.ts';

const idxOptions: UploadOptions = { format: 'idx', batch: 2, classes: 10 };
const cifarOptions: UploadOptions = { format: 'cifar-binary', batch: 2 };
const grey = idxFile([5, 3, 4], patternedBytes(60));
const colour = idxFile([5, 3, 4, 2], patternedBytes(120));
const classes = idxFile([5], [7, 0, 7, 1, 9]);
const floats: Tensor = float32Tensor(
  Float32Array.from(pixels, (value) => value / 255),
  [5, 2, 6, 3],
);
const uint16Labels: Tensor = { datatype: 'UINT16', shape: [5, 1], data: Uint16Array.of(3, 1, 0, 9, 2) };

/** Records of CIFAR-10, or CIFAR-100 with its two labels. */
function records(count: number, labelBytes: 1 | 2): Uint8Array<ArrayBuffer> {
  const size = labelBytes + 3072;
  return patternedBytes(count * size).map((byte, at) => (at % size < labelBytes ? byte % 10 : byte));
}

const uncompressed: readonly [string, UploadFile[], UploadOptions][] = [
  ['grey IDX', [fileOf('images', grey), fileOf('labels', classes)], idxOptions],
  ['IDX of channels, the labels first', [fileOf('labels', classes), fileOf('images', colour)], idxOptions],
  ['a stored npz', [fileOf('set.npz', npz({ x: images, y: labels }, false))], npzOptions],
  [
    'a stored npz of floats and channels last',
    [fileOf('set.npz', npz({ images: floats, labels: uint16Labels }, false))],
    { ...npzOptions, layout: 'nhwc' },
  ],
  ['CIFAR-10', [fileOf('a', records(3, 1)), fileOf('b', records(4, 1))], cifarOptions],
  ['CIFAR-100', [fileOf('a', records(5, 2))], { ...cifarOptions, cifarClasses: 100 }],
];

describe('rows read where they lie', () => {
  it.each(uncompressed)('are the batches of the reading in %s', async (_, files, options) => {
    const { batches } = await readAll(files, options);
    const rows = await openDirectRows(files, options);
    expect(batches.length).toBeGreaterThan(2);
    // In another order than that of the upload.
    for (const batch of batches.toReversed()) {
      expect(await rows?.read({ firstRow: batch.firstRow, examples: batch.labels.length })).toEqual(batch);
    }
  });

  it.each<[string, () => UploadFile[] | Promise<UploadFile[]>, UploadOptions]>([
    ['IDX with one file gzipped', () => [fileOf('i', gzipped(grey)), fileOf('l', classes)], idxOptions],
    ['a deflated npz', () => [fileOf('set.npz', npz({ x: images, y: labels }))], npzOptions],
    ['gzipped CIFAR-10', () => [fileOf('a', gzipped(records(3, 1)))], cifarOptions],
    [
      'a tar',
      async () => [fileOf('t', await tarFile([{ name: '0/a.pgm', body: Uint8Array.of(1) }]))],
      { format: 'tar', batch: 2 },
    ],
  ])('are none in %s', async (_, files, options) => {
    expect(await openDirectRows(await files(), options)).toBeUndefined();
  });

  it('are refused where the files became shorter', async () => {
    const bytes = records(5, 1);
    const rows = await openDirectRows([fileOf('a', bytes)], cifarOptions);
    await expect(rows?.read({ firstRow: 4, examples: 2 })).rejects.toThrow(/shorter than it was/);
    await expect(rows?.read({ firstRow: 5, examples: 1 })).rejects.toThrow(/no example 5 any more/);
  });
});

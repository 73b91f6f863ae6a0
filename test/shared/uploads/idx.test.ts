// IDX uploads: read whatever their streams look like, refused where they are wrong.
import { describe, expect, it } from 'vitest';
import type { UploadOptions } from '../../../shared/uploads/upload.ts';
import { fileOf, gzipped, idxFile, patternedBytes, readAll } from '../../helpers/upload-fixture.ts';

const options: UploadOptions = { format: 'idx', batch: 2, classes: 10 };
const pixels = patternedBytes(5 * 3 * 4);
const images = idxFile([5, 3, 4], pixels);
const labels = idxFile([5], [7, 0, 7, 1, 9]);

describe('IDX uploads', () => {
  it('give batches of one channel in order, plain or gzipped, whichever file comes first', async () => {
    const plain = await readAll([fileOf('images', images), fileOf('labels', labels)], options);
    const packed = await readAll(
      [fileOf('labels', gzipped(labels)), fileOf('images', gzipped(images))],
      options,
    );
    expect(packed).toEqual(plain);
    expect(plain.batches.map(({ firstRow, labels }) => [firstRow, ...labels])).toEqual([
      [0, 7, 0],
      [2, 7, 1],
      [4, 9],
    ]);
    expect(plain.batches[1].pixels).toEqual({
      shape: [1, 3, 4],
      datatype: 'UINT8',
      data: pixels.slice(24, 48),
    });
    expect(plain.summary).toEqual({ examples: 5, classCounts: [1, 1, 0, 0, 0, 0, 0, 2, 0, 1] });
  });

  it('give the same batches however their streams are cut', async () => {
    const whole = await readAll([fileOf('i', images), fileOf('l', labels)], options);
    for (const sizes of [[1], [7], [3, 1, 20], [1000]]) {
      for (const file of [images, gzipped(images)]) {
        const cut = await readAll([fileOf('i', file, sizes), fileOf('l', labels, sizes)], options);
        expect(cut).toEqual(whole);
      }
    }
  });

  it('give the batches from a row on', async () => {
    const whole = await readAll([fileOf('i', images), fileOf('l', labels)], options);
    const later = await readAll([fileOf('i', images), fileOf('l', labels)], { ...options, firstRow: 2 });
    expect(later).toEqual({ ...whole, batches: whole.batches.slice(1) });
  });

  it('give smaller batches where examples are large', async () => {
    const { batches } = await readAll([fileOf('i', images), fileOf('l', labels)], options, {
      batchBytes: 13,
    });
    expect(batches.map(({ labels }) => labels.length)).toEqual([1, 1, 1, 1, 1]);
  });

  it('may have channels', async () => {
    const files = [fileOf('i', idxFile([2, 3, 1, 2], patternedBytes(12))), fileOf('l', idxFile([2], [0, 1]))];
    const { batches } = await readAll(files, options);
    expect(batches[0].pixels?.shape).toEqual([3, 1, 2]);
  });

  it('are refused where files are missing, swapped or do not belong together', async () => {
    await expect(readAll([], options)).rejects.toThrow(/no files/);
    await expect(readAll([fileOf('i', images)], options)).rejects.toThrow(/two files.*1 came/);
    await expect(readAll([fileOf('l', labels), fileOf('m', labels)], options)).rejects.toThrow(
      /l has \[5\], m has \[5\]/,
    );
    await expect(
      readAll([fileOf('i', images), fileOf('l', idxFile([4], [0, 1, 2, 3]))], options),
    ).rejects.toThrow(/i has 5 images, l 4 labels/);
  });

  it('are refused where they are cut short at any place or go on', async () => {
    for (const end of [0, 3, 4, 10, 15, 16, 17, 40, images.length - 1]) {
      await expect(
        readAll([fileOf('i', images.subarray(0, end)), fileOf('l', labels)], options),
      ).rejects.toMatchObject({ code: 'invalid_dataset' });
    }
    const short = fileOf('l', labels.subarray(0, -1));
    await expect(readAll([fileOf('i', images), short], options)).rejects.toThrow(/4 of 5 labels/);
    const long = fileOf('i', Uint8Array.of(...images, 0));
    await expect(readAll([long, fileOf('l', labels)], options)).rejects.toThrow(/goes on behind/);
    const packed = gzipped(images);
    for (const end of [5, 18, packed.length - 9, packed.length - 1]) {
      const cut = fileOf('i', packed.subarray(0, end));
      await expect(readAll([cut, fileOf('l', labels)], options)).rejects.toMatchObject({
        code: 'invalid_dataset',
        message: expect.stringMatching(/i is damaged or cut short/),
      });
    }
  });

  it('are refused where a gzip checksum is wrong', async () => {
    const packed = gzipped(images);
    packed[packed.length - 6] ^= 1;
    await expect(readAll([fileOf('i', packed), fileOf('l', labels)], options)).rejects.toThrow(/damaged/);
  });

  it('are refused where a label is no class, or all are the same', async () => {
    const at = (values: number[]) => [fileOf('i', images), fileOf('l', idxFile([5], values))];
    await expect(readAll(at([0, 1, 2, 10, 3]), options)).rejects.toThrow(
      /l has the label 10 at example 3; 10 classes has the model/,
    );
    await expect(readAll(at([4, 4, 4, 4, 4]), options)).rejects.toThrow(/label 4; two classes/);
  });

  it('are refused where images are of another shape, empty, too large or too many', async () => {
    const files = [fileOf('i', images), fileOf('l', labels)];
    await expect(readAll(files, { ...options, shape: [1, 4, 3] })).rejects.toThrow(
      /shape \[1, 3, 4\].*the model reads \[1, 4, 3\]/,
    );
    const none = [fileOf('i', idxFile([0, 3, 4], [])), fileOf('l', idxFile([0], []))];
    await expect(readAll(none, options)).rejects.toThrow(/no examples/);
    const flat = [fileOf('i', idxFile([2, 0, 4], [])), fileOf('l', idxFile([2], [0, 1]))];
    await expect(readAll(flat, options)).rejects.toThrow(/without pixels/);
    await expect(readAll(files, options, { exampleBytes: 11 })).rejects.toMatchObject({
      code: 'body_too_large',
    });
    await expect(readAll(files, options, { examples: 4 })).rejects.toMatchObject({ code: 'body_too_large' });
    const claims = [fileOf('i', idxFile([2 ** 31, 1, 1], [])), fileOf('l', idxFile([2 ** 31], []))];
    await expect(readAll(claims, options)).rejects.toMatchObject({ code: 'body_too_large' });
  });

  it('are refused where they unpack to too much', async () => {
    const bomb = gzipped(idxFile([500, 40, 50], new Uint8Array(1_000_000)));
    const files = [
      fileOf('i', bomb),
      fileOf(
        'l',
        idxFile(
          [500],
          patternedBytes(500).map((b) => b % 10),
        ),
      ),
    ];
    await expect(readAll(files, options, { inflationFreeBytes: 100_000 })).rejects.toMatchObject({
      code: 'body_too_large',
      message: expect.stringMatching(/i unpacks to more than 100 times its size/),
    });
    await expect(readAll(files, options, { inflatedBytes: 500_000 })).rejects.toThrow(/500000 bytes/);
    await expect(readAll(files, options)).resolves.toBeDefined();
  });

  it('pass on a failure of their source as it is', async () => {
    const failing = (file: Uint8Array) => {
      const { source, name } = fileOf('i', file);
      const failure = () => Promise.reject(new Error('the store is away'));
      return { name, source: { ...source, stream: () => new ReadableStream<Uint8Array>({ pull: failure }) } };
    };
    for (const file of [images, gzipped(images)]) {
      await expect(readAll([failing(file), fileOf('l', labels)], options)).rejects.toThrow(
        'the store is away',
      );
    }
  });
});

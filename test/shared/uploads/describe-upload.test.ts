// What is said of an upload before it is read.
import { describe, expect, it } from 'vitest';
import { writeNpz } from '../../../gpu-worker/datasets/npz.ts';
import { describeUpload } from '../../../shared/uploads/describe-upload.ts';
import {
  fileOf,
  gzipped,
  idxFile,
  patternedBytes,
  pngFile,
  ppmFile,
  tarFile,
} from '../../helpers/upload-fixture.ts';

describe('an upload is described by its headers', () => {
  it('of IDX', async () => {
    const images = fileOf('i', gzipped(idxFile([3, 2, 2], patternedBytes(12))));
    const labels = fileOf('l', idxFile([3], [0, 1, 2]));
    expect(await describeUpload([images, labels], { format: 'idx', batch: 1 })).toEqual({
      format: 'idx',
      bytes: images.source.size + labels.source.size,
      examples: 3,
      exact: true,
      shape: [1, 2, 2],
      datatype: 'UINT8',
    });
  });

  it('of npz', async () => {
    const archive = writeNpz({
      x: { datatype: 'FP32', shape: [7, 5, 6, 3], data: new Float32Array(630) },
      y: { datatype: 'INT64', shape: [7], data: new BigInt64Array(7) },
    });
    expect(await describeUpload([fileOf('set.npz', archive)], { format: 'npz', batch: 1 })).toEqual({
      format: 'npz',
      bytes: archive.length,
      examples: 7,
      exact: true,
      shape: [3, 5, 6],
      datatype: 'FP32',
    });
  });

  it('of CIFAR records, which are counted or, gzipped, estimated', async () => {
    const bytes = patternedBytes(3073 * 50);
    const options = { format: 'cifar-binary', batch: 1 } as const;
    const common = { format: 'cifar-binary', shape: [3, 32, 32], datatype: 'UINT8', classes: 10 };
    expect(await describeUpload([fileOf('a', bytes), fileOf('b', bytes)], options)).toEqual({
      ...common,
      bytes: 2 * bytes.length,
      examples: 100,
      exact: true,
    });
    const packed = gzipped(bytes);
    const described = await describeUpload([fileOf('a', packed)], options);
    expect(described).toMatchObject({ ...common, exact: false });
    // Random bytes do not shrink, so the estimate is the assumed ratio of 1.2 over.
    expect(described.examples).toBeGreaterThan(50);
    expect(described.examples).toBeLessThan(63);
  });

  it('of archives, whose files are counted up to a thousand and then estimated', async () => {
    const archive = async (count: number) => {
      const name = (row: number) => `${row % 2}/${row}.ppm`;
      return tarFile(
        Array.from({ length: count }, (_, row) => ({ name: name(row), body: ppmFile(16, row) })),
      );
    };
    const options = { format: 'tar', batch: 1 } as const;
    const few = await archive(999);
    expect(await describeUpload([fileOf('set.tar', gzipped(few))], options)).toMatchObject({
      examples: 999,
      exact: true,
      shape: [3, 16, 16],
      datatype: 'UINT8',
    });
    const { examples, exact } = await describeUpload([fileOf('set.tar', await archive(3000))], options);
    expect(exact).toBe(false);
    // A megabyte is read ahead of what is counted.
    expect(examples).toBeGreaterThan(1800);
    expect(examples).toBeLessThan(3100);
    const files = fileOf('set.tar', await tarFile([{ name: 'a/0.png', body: pngFile(8) }]));
    expect(await describeUpload([files], options)).toEqual({
      format: 'tar',
      bytes: files.source.size,
      examples: 1,
      exact: true,
      datatype: 'files',
    });
  });

  it('refuses what the reading would refuse for its headers', async () => {
    await expect(describeUpload([], { format: 'idx', batch: 1 })).rejects.toThrow(/no files/);
    const files = [fileOf('i', idxFile([3, 2, 2], [])), fileOf('l', idxFile([2], []))];
    await expect(describeUpload(files, { format: 'idx', batch: 1 })).rejects.toThrow(/3 images, l 2 labels/);
  });
});

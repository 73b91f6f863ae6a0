// What is said of an upload before it is read.
import { describe, expect, it } from 'vitest';
import { writeNpz } from '../../../gpu-worker/datasets/npz.ts';
import { describeUpload } from '../../../shared/uploads/describe-upload.ts';
import { fileOf, gzipped, idxFile, patternedBytes } from '../../helpers/upload-fixture.ts';

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

  it('refuses what the reading would refuse for its headers', async () => {
    await expect(describeUpload([], { format: 'idx', batch: 1 })).rejects.toThrow(/no files/);
    const files = [fileOf('i', idxFile([3, 2, 2], [])), fileOf('l', idxFile([2], []))];
    await expect(describeUpload(files, { format: 'idx', batch: 1 })).rejects.toThrow(/3 images, l 2 labels/);
  });
});

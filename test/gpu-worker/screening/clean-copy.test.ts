import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseIdx } from '../../../gpu-worker/datasets/idx.ts';
import { npzArrayNames, readNpz, writeNpz } from '../../../gpu-worker/datasets/npz.ts';
import { openUploadSource } from '../../../gpu-worker/datasets/upload-source.ts';
import { cleanCopy } from '../../../gpu-worker/screening/clean-copy.ts';
import type { ExampleExtractor } from '../../../gpu-worker/screening/example-extractor.ts';

let folder: string;
const file = (name: string) => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'clean-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** All that a copy reads of an extractor. */
function modelOf(shape: number[], classes = 10): ExampleExtractor {
  const compiled = { model: { input_shape: shape, classes }, plan: { input_range: [0, 1] } };
  return { compiled } as unknown as ExampleExtractor;
}

const suspects = new Set([1, 3]);

describe('a cleaned copy', () => {
  it('of an npz file keeps types, layout and names of its two arrays', async () => {
    const data = Float32Array.from({ length: 5 * 12 }, (_, index) => index / 60);
    const y = { datatype: 'UINT8', shape: [5], data: Uint8Array.of(0, 1, 2, 1, 0) } as const;
    const images = { datatype: 'FP32', shape: [5, 2, 2, 3], data } as const;
    await writeFile(file('a.npz'), writeNpz({ images, labels: y, other: y }));
    const source = await openUploadSource(file('a.npz'), 'train');
    const [{ suffix, bytes }] = await cleanCopy({ source, suspects, extractor: modelOf([3, 2, 2]) });
    expect([suffix, npzArrayNames(bytes, 'copy')]).toEqual(['', ['images', 'labels']]);
    const copy = readNpz(bytes, { name: 'copy', arrays: ['images', 'labels'] });
    expect(copy.labels).toEqual({ datatype: 'UINT8', shape: [3], data: Uint8Array.of(0, 2, 0) });
    const kept = [0, 2, 4].flatMap((row) => Array.from(data.subarray(12 * row, 12 * (row + 1))));
    expect(copy.images).toEqual({ datatype: 'FP32', shape: [3, 2, 2, 3], data: Float32Array.from(kept) });
  });

  it('of IDX is two files, plain', async () => {
    const idx = (shape: number[], values: Uint8Array) => {
      const header = Buffer.alloc(4 + 4 * shape.length);
      header.writeUInt32BE(0x0800 + shape.length);
      for (const [axis, extent] of shape.entries()) header.writeUInt32BE(extent, 4 + 4 * axis);
      return Buffer.concat([header, values]);
    };
    const pixels = Uint8Array.from({ length: 20 }, (_, index) => index);
    await writeFile(file('train-images-idx3-ubyte.gz'), gzipSync(idx([5, 2, 2], pixels)));
    await writeFile(file('train-labels-idx1-ubyte'), idx([5], Uint8Array.of(0, 1, 2, 3, 4)));
    const source = await openUploadSource(`idx:${folder}`, 'train');
    const copy = await cleanCopy({ source, suspects, extractor: modelOf([1, 2, 2]) });
    expect(copy.map(({ suffix }) => suffix)).toEqual(['-images-idx3-ubyte', '-labels-idx1-ubyte']);
    expect(parseIdx(copy[0].bytes, 'images')).toMatchObject({ shape: [3, 2, 2] });
    expect([...parseIdx(copy[0].bytes, 'images').values]).toEqual([0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19]);
    expect([...parseIdx(copy[1].bytes, 'labels').values]).toEqual([0, 2, 4]);
  });

  it('of the binary version of CIFAR is its records, of all files in one', async () => {
    const records = (labels: number[]) =>
      Buffer.concat(labels.map((label) => Buffer.from([label, ...new Uint8Array(3072).fill(10 * label)])));
    await writeFile(file('data_batch_1.bin'), records([0, 1]));
    await writeFile(file('data_batch_2.bin.gz'), gzipSync(records([2, 3, 4])));
    const source = await openUploadSource(`cifar10:${folder}`, 'train');
    expect(source.paths).toEqual([file('data_batch_1.bin'), file('data_batch_2.bin.gz')]);
    const [{ bytes }] = await cleanCopy({ source, suspects, extractor: modelOf([3, 32, 32]) });
    expect(Buffer.from(bytes)).toEqual(records([0, 2, 4]));
  });

  it('of anything else is an npz file', async () => {
    const source = await openUploadSource('synthetic-digits:5', 'test');
    const [{ bytes }] = await cleanCopy({ source, suspects, extractor: modelOf([1, 28, 28]) });
    const copy = readNpz(bytes, { name: 'copy', arrays: ['x', 'y'] });
    expect([copy.x!.shape, copy.y!.shape]).toEqual([[3, 1, 28, 28], [3]]);
  });
});

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadIdxFolder, parseIdx } from '../../../gpu-worker/datasets/idx.ts';

/** Writes an IDX file of unsigned bytes, as the MNIST page describes it. */
function idx(shape: number[], values: number[]): Uint8Array {
  const header = new Uint8Array(4 + 4 * shape.length);
  header.set([0, 0, 8, shape.length]);
  for (const [axis, extent] of shape.entries()) new DataView(header.buffer).setUint32(4 + 4 * axis, extent);
  return Uint8Array.of(...header, ...values);
}

describe('IDX files', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'idx-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('are read plain and gzipped', () => {
    const file = idx([2, 1, 2], [0, 51, 102, 255]);
    for (const bytes of [file, gzipSync(file)]) {
      const { shape, values } = parseIdx(bytes, 'f');
      expect(shape).toEqual([2, 1, 2]);
      expect([...values]).toEqual([0, 51, 102, 255]);
    }
  });

  it('give images in [0, 1] with one channel, and their labels', async () => {
    await writeFile(join(folder, 'train-images-idx3-ubyte.gz'), gzipSync(idx([2, 1, 2], [0, 51, 102, 255])));
    await writeFile(join(folder, 'train-labels-idx1-ubyte'), idx([2], [3, 9]));
    const dataset = await loadIdxFolder(folder, 'train');
    expect(dataset.inputShape).toEqual([1, 1, 2]);
    expect(dataset.inputs).toEqual(Float32Array.of(0, 0.2, 0.4, 1));
    expect([...dataset.labels]).toEqual([3, 9]);
  });

  it('are refused where they are something else, cut short or of another type', () => {
    expect(() => parseIdx(new TextEncoder().encode('hello'), 'f')).toThrow(/f is no IDX file/);
    expect(() => parseIdx(new Uint8Array(0), 'f')).toThrow(/no IDX file/);
    expect(() => parseIdx(idx([2, 2], [1, 2, 3]), 'f')).toThrow(/3 elements, its header says 2 x 2/);
    expect(() => parseIdx(Uint8Array.of(0, 0, 13, 1, 0, 0, 0, 0), 'f')).toThrow(/type 0xd/);
    expect(() => parseIdx(Uint8Array.of(0, 0, 8, 3, 0), 'f')).toThrow(/header/);
    expect(() => parseIdx(gzipSync(idx([1], [1])).subarray(0, 12), 'f')).toThrow(/damaged gzip/);
  });

  it('are refused where images and labels do not belong together or are missing', async () => {
    await writeFile(join(folder, 'odd-images-idx3-ubyte'), idx([2, 1, 1], [0, 1]));
    await writeFile(join(folder, 'odd-labels-idx1-ubyte'), idx([3], [0, 1, 2]));
    await expect(loadIdxFolder(folder, 'odd')).rejects.toThrow(/do not belong together/);
    await expect(loadIdxFolder(folder, 'absent')).rejects.toThrow(/neither .*absent-images/);
  });
});

// Sets with known poison in both forms, and what is refused.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Dataset } from '../../../gpu-worker/datasets/dataset.ts';
import { writeNpz } from '../../../gpu-worker/datasets/npz.ts';
import { loadPoisonedSet } from '../../../gpu-worker/datasets/poisoned-set.ts';
import { int64Tensor, type Tensor } from '../../../shared/maths/tensor.ts';

const images = (count: number, from: number): Tensor => ({
  datatype: 'UINT8',
  shape: [count, 1, 2, 3],
  data: Uint8Array.from({ length: 6 * count }, (_, index) => from + index),
});
const rowsOf = (...rows: number[]): Tensor => ({
  datatype: 'INT32',
  shape: [rows.length],
  data: Int32Array.from(rows),
});
const clean: Dataset = {
  name: 'clean',
  inputs: new Float32Array(18),
  inputShape: [3, 1, 2],
  labels: Int32Array.of(0, 1, 2),
};

describe('loadPoisonedSet', () => {
  let folder: string;
  const put = async (arrays: Record<string, Tensor>) => {
    const path = join(folder, 'set.npz');
    await writeFile(path, writeNpz(arrays));
    return path;
  };
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'poisoned-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('reads a whole set as `dataset poison` writes it', async () => {
    const path = await put({ x: images(3, 0), y: int64Tensor([0, 1, 1], [3]), poison_idx: rowsOf(2, 0) });
    const { dataset, planted } = await loadPoisonedSet(path, { layout: 'nhwc' });
    expect([...planted]).toEqual([0, 2]);
    expect(dataset.inputShape).toEqual([3, 1, 2]);
    expect([...dataset.labels]).toEqual([0, 1, 1]);
    // By hand: bytes 0 to 5 of two positions and three channels, channels first.
    expect([...dataset.inputs.subarray(0, 6)].map((value) => Math.round(255 * value))).toEqual([
      0, 3, 1, 4, 2, 5,
    ]);
  });

  it('plants rows over a clean set, under the labels that the file says', async () => {
    const path = await put({
      poison_x: images(1, 10),
      y: { datatype: 'UINT8', shape: [3], data: Uint8Array.of(0, 2, 2) },
      poison_idx: rowsOf(1),
    });
    const { dataset, planted } = await loadPoisonedSet(path, { layout: 'nhwc', clean });
    expect([...planted]).toEqual([1]);
    expect([...dataset.labels]).toEqual([0, 2, 2]);
    expect([...dataset.inputs].map((value) => Math.round(255 * value))).toEqual([
      ...new Uint8Array(6),
      10,
      13,
      11,
      14,
      12,
      15,
      ...new Uint8Array(6),
    ]);
    expect(clean.inputs.every((value) => value === 0)).toBe(true);
  });

  it('takes a set without planted rows for clean', async () => {
    const path = await put({ y: int64Tensor([0, 1, 2], [3]), poison_idx: rowsOf() });
    const { dataset, planted } = await loadPoisonedSet(path, { layout: 'nhwc', clean });
    expect(planted).toHaveLength(0);
    expect([...dataset.inputs]).toEqual([...clean.inputs]);
  });

  const y = int64Tensor([0, 1, 2], [3]);
  it.each([
    ['no labels', { x: images(3, 0) }, 'no labels y'],
    [
      'labels that are no whole numbers',
      { x: images(3, 0), y: { datatype: 'FP32', shape: [3], data: new Float32Array(3) } },
      'no labels y',
    ],
    ['other counts of images and labels', { x: images(2, 0), y }, '2 images for 3 rows'],
    ['a planted row that is not there', { x: images(3, 0), y, poison_idx: rowsOf(3) }, 'row 3 is planted'],
    ['a row planted twice', { x: images(3, 0), y, poison_idx: rowsOf(1, 1) }, 'twice'],
    ['planted rows without images', { y, poison_idx: rowsOf(1) }, 'no images poison_x'],
    [
      'images of another shape',
      { y, poison_idx: rowsOf(1), poison_x: { ...images(1, 0), shape: [1, 2, 1, 3] } },
      'shape [3, 2, 1]',
    ],
    [
      'a clean set of another size',
      { y: int64Tensor([0, 1], [2]), poison_idx: rowsOf() },
      'labels of 2 rows',
    ],
  ] as [string, Record<string, Tensor>, string][])('refuses %s', async (_, arrays, detail) => {
    const path = await put(arrays);
    await expect(loadPoisonedSet(path, { layout: 'nhwc', clean })).rejects.toThrow(detail);
  });

  it('asks for the clean set where the file has none, and names a file that is not there', async () => {
    const path = await put({ y, poison_idx: rowsOf() });
    await expect(loadPoisonedSet(path, { layout: 'nhwc' })).rejects.toThrow('has to be named');
    await expect(loadPoisonedSet(join(folder, 'none.npz'), { layout: 'nhwc' })).rejects.toThrow(
      'cannot be read',
    );
  });
});

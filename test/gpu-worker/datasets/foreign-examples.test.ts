import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  loadForeignExamples,
  loadNpzDataset,
  writeForeignExamples,
} from '../../../gpu-worker/datasets/foreign-examples.ts';
import { writeNpy } from '../../../gpu-worker/datasets/npy.ts';
import { writeNpz } from '../../../gpu-worker/datasets/npz.ts';
import { GuardError } from '../../../shared/errors.ts';
import type { Tensor } from '../../../shared/maths/tensor.ts';
import { sharedFolder } from '../../helpers/shared-folder.ts';

const options = { layout: 'nchw', inputShape: [1, 1, 2], range: [0, 1] } as const;
const inputs = Float32Array.of(0, 0.1, 0.2, 0.3, 0.4, 0.5);
const x: Tensor = { datatype: 'FP32', shape: [3, 1, 1, 2], data: inputs };
const y: Tensor = { datatype: 'INT64', shape: [3], data: BigInt64Array.of(7n, 8n, 9n) };

describe('foreign examples', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'foreign-'));
  });
  afterAll(() => rm(folder, { recursive: true }));
  const put = async (name: string, bytes: Uint8Array) => {
    await writeFile(join(folder, name), bytes);
    return join(folder, name);
  };

  it('are read without those that the file says failed', async () => {
    const success = Uint8Array.of(1, 0, 1);
    const written = writeForeignExamples(
      { inputs, inputShape: [1, 1, 2], labels: [7, 8, 9], success },
      { layout: 'nhwc', datatype: 'FP32' },
    );
    const path = await put('attack.npz', written);
    const examples = await loadForeignExamples(path, { ...options, layout: 'nhwc' });
    expect(examples.inputs).toEqual(Float32Array.of(0, 0.1, 0.4, 0.5));
    expect([...examples.labels!]).toEqual([7, 9]);
    expect([...examples.rows]).toEqual([0, 2]);
    expect(examples.inputShape).toEqual([1, 1, 2]);
    expect(examples.name).toMatch(/^foreign-.*\/attack\.npz$/);
  });

  it('need neither labels nor success, in a .npz or a .npy file', async () => {
    for (const path of [await put('x.npz', writeNpz({ x })), await put('x.npy', writeNpy(x))]) {
      const examples = await loadForeignExamples(path, options);
      expect(examples.inputs).toEqual(inputs);
      expect(examples.labels).toBeUndefined();
    }
  });

  it('may call their arrays otherwise', async () => {
    const path = await put('named.npz', writeNpz({ adv: x, label: y }));
    const arrays = { inputs: 'adv', labels: 'label', success: 'is_adv' };
    expect([...(await loadForeignExamples(path, { ...options, arrays })).labels!]).toEqual([7, 8, 9]);
    await expect(loadForeignExamples(path, options)).rejects.toThrow(/no array x; it has adv, label/);
  });

  it('that rounding left just outside the range are put on its edge', async () => {
    const data = Float32Array.of(-1e-6, 1.000001);
    const path = await put('edge.npz', writeNpz({ x: { ...x, shape: [1, 1, 1, 2], data } }));
    expect([...(await loadForeignExamples(path, options)).inputs]).toEqual([0, 1]);
  });

  const failed: Tensor = { datatype: 'BOOL', shape: [3], data: new Uint8Array(3) };
  it.each<[string, Record<string, Tensor>, RegExp]>([
    [
      'another shape, with both shapes',
      { x: { ...x, shape: [1, 3, 2, 1] } },
      /inputs of shape \[3, 2, 1\] \(an array \[1, 3, 2, 1\] read as NCHW\), the model reads \[1, 1, 2\]/,
    ],
    ['NaN', { x: { ...x, data: inputs.with(3, Number.NaN) } }, /value NaN in row 1/],
    ['pixels of 0 to 255 as float32', { x: { ...x, data: inputs.with(0, 255) } }, /value 255.*from 0 to 1/],
    ['values under the range', { x: { ...x, data: inputs.with(0, -0.5) } }, /value -0\.5/],
    [
      'labels of another number',
      { x, y: { ...y, shape: [1], data: BigInt64Array.of(1n) } },
      /has shape \[1\]/,
    ],
    [
      'labels in one-hot form',
      { x, y: { datatype: 'FP32', shape: [3, 2], data: new Float32Array(6) } },
      /not whole numbers/,
    ],
    [
      'labels beyond all classes',
      { x, y: { ...y, data: BigInt64Array.of(0n, 2n ** 40n, 1n) } },
      /1099511627776: too large/,
    ],
    ['no success', { x, ok: failed }, /none of its 3 examples succeeded/],
  ])('are refused with %s', async (_, arrays, message) => {
    const path = await put('wrong.npz', writeNpz(arrays));
    await expect(loadForeignExamples(path, options)).rejects.toThrow(message);
    await expect(loadForeignExamples(path, options)).rejects.toThrow(GuardError);
  });

  it('are refused where there is no file', async () => {
    await expect(loadForeignExamples(join(folder, 'absent.npz'), options)).rejects.toMatchObject({
      code: 'invalid_dataset',
    });
  });

  it('as a data set must have labels', async () => {
    const labelled = await loadNpzDataset(await put('set.npz', writeNpz({ x, y })), { layout: 'nchw' });
    expect([...labelled.labels]).toEqual([7, 8, 9]);
    expect(labelled.inputShape).toEqual([1, 1, 2]);
    const path = await put('unlabelled.npz', writeNpz({ x }));
    await expect(loadNpzDataset(path, { layout: 'nchw' })).rejects.toThrow(/no array y; it has x/);
  });

  it.skipIf(sharedFolder === undefined)(
    'of Foolbox are read as NumPy reads them (needs ../shared/data)',
    async () => {
      // Counts, labels and sums from NumPy 2 in double precision.
      const mnist = await loadForeignExamples(`${sharedFolder}data/adversarial/mnist-lenet5_CW.npz`, {
        ...options,
        inputShape: [1, 28, 28],
      });
      expect(mnist.rows).toHaveLength(496);
      expect([...mnist.labels!.subarray(0, 8)]).toEqual([6, 0, 9, 8, 4, 0, 7, 2]);
      expect(mnist.inputs.reduce((sum, value) => sum + value, 0)).toBeCloseTo(43080.042, 3);
      const clean = await loadNpzDataset(`${sharedFolder}data/adversarial/cifar10-resnet8_clean.npz`, {
        layout: 'nchw',
      });
      expect(clean.inputShape).toEqual([3, 32, 32]);
      expect([...clean.labels.subarray(0, 8)]).toEqual([6, 9, 0, 9, 8, 7, 8, 8]);
    },
  );

  it.skipIf(sharedFolder === undefined)(
    'and data sets with channels last are read as NumPy reads them (needs ../shared/data)',
    async () => {
      const gtsrb = await loadNpzDataset(`${sharedFolder}data/gtsrb/test.npz`, { layout: 'nhwc' });
      expect(gtsrb.inputShape).toEqual([3, 32, 32]);
      expect(gtsrb.labels).toHaveLength(2000);
      expect([...gtsrb.labels.subarray(0, 8)]).toEqual([16, 1, 38, 33, 11, 38, 18, 12]);
      // x[5, 10, 11] / 255 in red, green and blue.
      const pixel = [0, 1, 2].map((channel) => gtsrb.inputs[((5 * 3 + channel) * 32 + 10) * 32 + 11] * 255);
      expect(pixel.map(Math.round)).toEqual([142, 124, 155]);
    },
  );
});

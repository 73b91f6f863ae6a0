import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadCifarFolder, parseCifar } from '../../../gpu-worker/datasets/cifar-binary.ts';
import { sharedFolder } from '../../helpers/shared-folder.ts';

/** A record: its label, then 1,024 bytes each of red, green and blue. */
function record(label: number, colours: readonly [number, number, number]): Uint8Array {
  const bytes = new Uint8Array(3073);
  bytes[0] = label;
  for (const [channel, value] of colours.entries()) {
    bytes.fill(value, 1 + 1024 * channel, 1 + 1024 * (channel + 1));
  }
  return bytes;
}

const first = record(3, [0, 51, 102]);
const second = record(9, [255, 0, 0]);

describe("CIFAR-10's binary files", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cifar-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('are read plain and gzipped, by channels in [0, 1]', () => {
    const file = Buffer.concat([first, second]);
    for (const bytes of [file, gzipSync(file)]) {
      const { inputs, labels } = parseCifar(bytes, 'f');
      expect([...labels]).toEqual([3, 9]);
      expect(inputs).toHaveLength(2 * 3072);
      expect([0, 1024, 2048, 3071, 3072, 4096].map((index) => inputs[index])).toEqual(
        [0, 0.2, 0.4, 0.4, 1, 0].map(Math.fround),
      );
    }
  });

  it('are put together from the training batches that are there, in their order', async () => {
    await writeFile(join(folder, 'data_batch_4.bin'), second);
    await writeFile(join(folder, 'data_batch_1.bin.gz'), gzipSync(Buffer.concat([first, first])));
    const train = await loadCifarFolder(folder, 'train');
    expect([...train.labels]).toEqual([3, 3, 9]);
    expect(train.inputShape).toEqual([3, 32, 32]);
    expect(train.inputs[2 * 3072]).toBe(1);
    expect(train.name).toMatch(/^cifar-.*\/train$/);
    await expect(loadCifarFolder(folder, 'test')).rejects.toThrow(/none of test_batch\.bin/);
  });

  it.each([
    ['empty', new Uint8Array(0), /0 bytes, not a whole number/],
    ['cut short', first.subarray(0, 3000), /3000 bytes/],
    ['those of CIFAR-100, which have two labels', Buffer.concat([first, Uint8Array.of(1)]), /3074 bytes/],
    ['of a label that CIFAR-10 lacks', record(10, [0, 0, 0]), /label 10 in record 0/],
    ['damaged gzip', gzipSync(first).subarray(0, 12), /damaged gzip/],
  ])('are refused that are %s', (_, bytes, message) => {
    expect(() => parseCifar(bytes, 'f')).toThrow(message);
  });

  it.skipIf(sharedFolder === undefined)('of 5,000 test images are read (needs ../shared/data)', async () => {
    const { inputs, labels } = await loadCifarFolder(`${sharedFolder}data/cifar10`, 'test');
    expect(labels).toHaveLength(5000);
    // Read off the file with NumPy: the first labels, one green pixel and the mean byte.
    expect([...labels.subarray(0, 8)]).toEqual([9, 5, 4, 5, 6, 1, 1, 0]);
    expect(Math.round(255 * inputs[3 * 3072 + 1024 + 32 * 4 + 7])).toBe(103);
    const mean = inputs.reduce((sum, value) => sum + value, 0) / inputs.length;
    expect(255 * mean).toBeCloseTo(121.65698, 2);
  });
});

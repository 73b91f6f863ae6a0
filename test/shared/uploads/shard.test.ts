// Shards: what is written is read back bit for bit, and nothing else is taken for one.
import { describe, expect, it } from 'vitest';
import { readShard, writeShard } from '../../../shared/uploads/shard.ts';
import type { ExampleBatch } from '../../../shared/uploads/upload.ts';
import { patternedBytes } from '../../helpers/upload-fixture.ts';

const labels = Int32Array.of(0, 70_000, 2 ** 31 - 1);
const batches: Readonly<Record<string, ExampleBatch>> = {
  'bytes of pixels': {
    firstRow: 12,
    labels,
    pixels: { shape: [3, 5, 7], datatype: 'UINT8', data: patternedBytes(315) },
  },
  floats: {
    firstRow: 0,
    labels,
    pixels: { shape: [1, 1, 2], datatype: 'FP32', data: Float32Array.of(0, -0, 0.1, 1e-45, 1, Number.NaN) },
  },
  'pixels of named files': {
    firstRow: 2 ** 40,
    labels,
    pixels: { shape: [1, 1, 1], datatype: 'UINT8', data: Uint8Array.of(1, 2, 3) },
    names: ['a/0.ppm', 'ä/"1".ppm', '\u{1F4F7}.ppm'],
  },
  files: {
    firstRow: 1,
    labels,
    files: [
      { name: 'a/0.png', bytes: patternedBytes(9) },
      { name: 'a/empty.png', bytes: new Uint8Array(0) },
      { name: 'b/1.jpg', bytes: patternedBytes(1000) },
    ],
  },
};

describe('a shard', () => {
  it.each(Object.entries(batches))('gives back %s, and the same bytes again', (_, batch) => {
    const shard = writeShard(batch);
    const read = readShard(shard);
    expect(read).toEqual(batch);
    expect(writeShard(read)).toEqual(shard);
    expect(writeShard(structuredClone(batch))).toEqual(shard);
  });

  it('may stand anywhere in memory', () => {
    for (const batch of Object.values(batches)) {
      const shard = writeShard(batch);
      const moved = new Uint8Array(shard.length + 1);
      moved.set(shard, 1);
      expect(readShard(moved.subarray(1))).toEqual(batch);
    }
  });

  it('is refused where it is cut short, longer, of another version or something else', () => {
    const shard = writeShard(batches.files);
    for (const end of [0, 5, 8, 11, 20, 100, shard.length - 1]) {
      expect(() => readShard(shard.slice(0, end))).toThrow(/shard is damaged/);
    }
    expect(() => readShard(Uint8Array.of(...shard, 0))).toThrow(/shard is damaged/);
    const other = shard.slice();
    other[7] = 2;
    expect(() => readShard(other)).toThrow(/of another version/);
  });

  it('is made of pixels or files, not of both or none', () => {
    expect(() => writeShard({ firstRow: 0, labels })).toThrow(/either pixels or files/);
    expect(() => writeShard({ ...batches.files, ...batches.floats })).toThrow(/either pixels or files/);
  });
});

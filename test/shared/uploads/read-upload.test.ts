// What holds for uploads of every format.
import { describe, expect, it } from 'vitest';
import { writeNpz } from '../../../gpu-worker/datasets/npz.ts';
import { readUpload } from '../../../shared/uploads/read-upload.ts';
import type { UploadFile, UploadOptions } from '../../../shared/uploads/upload.ts';
import {
  fileOf,
  gzipped,
  idxFile,
  patternedBytes,
  ppmFile,
  readAll,
  tarFile,
} from '../../helpers/upload-fixture.ts';

const count = 40;
const labels = patternedBytes(count).map((byte) => byte % 4);
const pixels = patternedBytes(count * 3072);

async function uploads(): Promise<readonly [string, UploadOptions, readonly Uint8Array[]][]> {
  const npz = writeNpz({
    x: { datatype: 'UINT8', shape: [count, 3, 32, 32], data: pixels },
    y: { datatype: 'UINT8', shape: [count], data: labels },
  });
  const tar = await tarFile(
    Array.from(labels, (label, row) => ({ name: `${label}/${row}.ppm`, body: ppmFile(32, row) })),
  );
  const records = Array.from(labels, (label, row) => [
    label,
    ...pixels.subarray(row * 3072, (row + 1) * 3072),
  ]);
  const idx = [idxFile([count, 3, 32, 32], pixels), idxFile([count], labels)];
  return [
    ['npz', { format: 'npz', batch: 7 }, [npz]],
    ['tar', { format: 'tar', batch: 7 }, [tar]],
    ['tar.gz', { format: 'tar', batch: 7 }, [gzipped(tar)]],
    ['CIFAR binary', { format: 'cifar-binary', batch: 7 }, [new Uint8Array(records.flat())]],
    ['IDX', { format: 'idx', batch: 7 }, idx],
    ['IDX, gzipped', { format: 'idx', batch: 7 }, idx.map(gzipped)],
  ];
}

describe('an upload', async () => {
  it.each(await uploads())(
    'of %s gives the same batches from any cut of its streams',
    async (_, options, bytes) => {
      const whole = await readAll(
        bytes.map((file, index) => fileOf(`f${index}`, file)),
        options,
      );
      expect(whole.batches.map(({ firstRow }) => firstRow)).toEqual(
        Array.from({ length: 6 }, (_, n) => 7 * n),
      );
      expect(whole.batches.flatMap(({ labels }) => [...labels])).toEqual([...labels]);
      for (let seed = 1; seed <= 3; seed++) {
        const sizes = Array.from(patternedBytes(50, seed), (byte) => 300 + byte * (byte % 13));
        const cut = await readAll(
          bytes.map((file, index) => fileOf(`f${index}`, file, sizes)),
          options,
        );
        expect(cut).toEqual(whole);
      }
    },
  );

  it.each(await uploads())('of %s lets its streams go where the reading stops', async (_, options, bytes) => {
    const open = new Set<number>();
    let streams = 0;
    const files = bytes.map((file, index): UploadFile => {
      const { name, source } = fileOf(`f${index}`, file);
      const stream = (offset?: number) => {
        const id = streams++;
        const reader = source.stream(offset).getReader();
        open.add(id);
        return new ReadableStream<Uint8Array>(
          {
            async pull(controller) {
              const { done, value } = await reader.read();
              if (!done) return controller.enqueue(value);
              open.delete(id);
              controller.close();
            },
            cancel: () => void open.delete(id),
          },
          { highWaterMark: 0 },
        );
      };
      return { name, source: { ...source, stream } };
    });
    for await (const { firstRow } of readUpload(files, options)) if (firstRow > 20) break;
    expect(streams).toBeGreaterThan(0);
    expect([...open]).toEqual([]);
    expect((await readAll(files, options)).summary.examples).toBe(count);
    expect([...open]).toEqual([]);
  });
});

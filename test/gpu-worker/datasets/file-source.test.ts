// Local files as sources of uploads.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fileSource } from '../../../gpu-worker/datasets/file-source.ts';
import { writeNpz } from '../../../gpu-worker/datasets/npz.ts';
import { readUpload } from '../../../shared/uploads/read-upload.ts';
import { patternedBytes } from '../../helpers/upload-fixture.ts';

describe('a file', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'source-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('is streamed from anywhere and read in parts', async () => {
    const bytes = patternedBytes(200_000);
    await writeFile(join(folder, 'a'), bytes);
    const source = await fileSource(join(folder, 'a'));
    expect(source.size).toBe(200_000);
    for (const offset of [0, 1, 70_000, 200_000]) {
      const streamed = new Uint8Array(await new Response(source.stream(offset)).arrayBuffer());
      expect(streamed).toEqual(bytes.slice(offset));
    }
    expect(await source.read(1000, 5)).toEqual(bytes.slice(1000, 1005));
    expect(await source.read(199_998, 5)).toEqual(bytes.slice(199_998));
    expect(await source.read(0, 0)).toEqual(new Uint8Array(0));
    expect(await source.read(300_000, 5)).toEqual(new Uint8Array(0));
  });

  it('is read as an upload, and let go where the reading stops early', async () => {
    const archive = writeNpz({
      x: { datatype: 'UINT8', shape: [100, 3, 30, 40], data: patternedBytes(360_000) },
      y: { datatype: 'UINT8', shape: [100], data: patternedBytes(100) },
    });
    await writeFile(join(folder, 'set.npz'), archive);
    const files = [{ name: 'set.npz', source: await fileSource(join(folder, 'set.npz')) }];
    for await (const { labels, pixels } of readUpload(files, { format: 'npz', batch: 10 })) {
      expect(labels).toHaveLength(10);
      expect(pixels?.data).toEqual(patternedBytes(360_000).slice(0, 36_000));
      break;
    }
  });

  it('is refused where it is not there or a folder', async () => {
    await expect(fileSource(join(folder, 'absent'))).rejects.toMatchObject({ code: 'invalid_dataset' });
    await expect(fileSource(folder)).rejects.toThrow(/is no file/);
  });
});

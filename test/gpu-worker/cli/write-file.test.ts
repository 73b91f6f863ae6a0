import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requireWritable } from '../../../gpu-worker/cli/write-file.ts';

describe('a place that a result is to be written to', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'write-'));
    await writeFile(join(folder, 'file'), '');
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('may be new, in a folder that is not there yet, and nothing is made of either', async () => {
    await requireWritable(join(folder, 'file'), undefined, join(folder, 'a/b/new.json'));
    expect(await readdir(folder)).toEqual(['file']);
  });

  it('is refused where it is a folder, or lies in a file', async () => {
    await expect(requireWritable(undefined, folder)).rejects.toThrow(/is a folder/);
    await expect(requireWritable(join(folder, 'file/new.json'))).rejects.toThrow(/nothing can be written to/);
  });
});

import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unpackTar } from 'modern-tar';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { folderArchive } from '../../../gpu-worker/datasets/folder-archive.ts';
import { openUploadSource, uploadDigest } from '../../../gpu-worker/datasets/upload-source.ts';

let folder: string;
const file = (name: string) => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'source-'));
  for (const path of ['set/b', 'set/a', 'elsewhere']) await mkdir(file(path), { recursive: true });
  await writeFile(file('set/b/2.png'), 'two');
  await writeFile(file('set/b/10.png'), 'ten');
  await writeFile(file('elsewhere/1.jpg'), 'one');
  await symlink(file('elsewhere/1.jpg'), file('set/a/1.jpg'));
  await writeFile(file('set/notes.txt'), 'a long story');
});
afterAll(() => rm(folder, { recursive: true }));

describe('the archive of a folder', () => {
  it('has its files in the order of their paths, links followed, and by name alone what is no example', async () => {
    const entries = await unpackTar((await folderArchive(file('set'))).stream());
    expect(entries.map(({ header: { name, type, size } }) => [name, type, size])).toEqual([
      ['a/', 'directory', 0],
      ['a/1.jpg', 'file', 3],
      ['b/', 'directory', 0],
      ['b/10.png', 'file', 3],
      ['b/2.png', 'file', 3],
      ['notes.txt', 'file', 0],
    ]);
    expect(new TextDecoder().decode(entries[1].data)).toBe('one');
  });

  it('is the same whenever it is made, from any byte on', async () => {
    const before = await folderArchive(file('set'));
    const whole = await before.read(0, 1 << 20);
    await utimes(file('set/b/2.png'), new Date(1e9), new Date(1e9));
    const after = await folderArchive(file('set'));
    expect(Buffer.from(await after.read(700, 900))).toEqual(Buffer.from(whole.subarray(700, 1600)));
    const parts: Uint8Array[] = [];
    for await (const part of after.stream(1000)) parts.push(part);
    expect(Buffer.concat(parts)).toEqual(Buffer.from(whole.subarray(1000)));
  });

  it('is refused where there is no folder, or it leads back into itself', async () => {
    await expect(folderArchive(file('none'))).rejects.toThrow(/cannot be read as a folder/);
    await mkdir(file('loop'));
    await symlink(file('loop'), file('loop/again'));
    await expect(folderArchive(file('loop'))).rejects.toThrow(/folders more than 8 deep/);
  });
});

describe('a data set on disk as an upload', () => {
  it('is told by its ending, or by the kind before it', async () => {
    await writeFile(file('x.npz'), 'PK');
    await writeFile(file('x.tgz'), 'gz');
    await writeFile(file('odd'), '');
    expect(await openUploadSource(file('x.npz'), 'train')).toMatchObject({ name: 'x.npz', format: 'npz' });
    expect(await openUploadSource(file('x.tgz'), 'train')).toMatchObject({ format: 'tar' });
    expect(await openUploadSource(file('set'), 'train')).toMatchObject({
      name: 'set',
      format: 'tar',
      paths: [],
    });
    expect(await openUploadSource(`cifar-binary:${file('odd')}`, 'train')).toMatchObject({
      format: 'cifar-binary',
      paths: [file('odd')],
    });
    await expect(openUploadSource(file('odd'), 'train')).rejects.toThrow(/odd is none of FILE\.npz/);
    await expect(openUploadSource('synthetic-digits:0', 'train')).rejects.toThrow(/no number of digits/);
    await expect(openUploadSource(`idx:${folder}`, 'train')).rejects.toThrow(
      /has no train-images-idx3-ubyte/,
    );
  });

  it('has the digest of its file, and of several that of their names and digests', async () => {
    const digest = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`;
    await writeFile(file('train-images-idx3-ubyte'), 'images');
    await writeFile(file('train-labels-idx1-ubyte'), 'labels');
    const { files } = await openUploadSource(`idx:${folder}`, 'train');
    const listed = `images ${digest('images')}\nlabels ${digest('labels')}\n`;
    expect(await uploadDigest(files)).toBe(digest(listed));
    expect(await uploadDigest(files.slice(0, 1))).toBe(digest('images'));
  });
});

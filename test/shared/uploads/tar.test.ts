// Archives of class folders: read in their order, refused with the path that is wrong.
import { describe, expect, it } from 'vitest';
import type { UploadOptions } from '../../../shared/uploads/upload.ts';
import {
  fileOf,
  gzipped,
  patternedBytes,
  pngFile,
  ppmFile,
  readAll,
  type TarFixture,
  tarFile,
} from '../../helpers/upload-fixture.ts';

const options: UploadOptions = { format: 'tar', batch: 2 };

async function read(entries: readonly TarFixture[], more: Partial<UploadOptions> = {}, limits = {}) {
  return readAll([fileOf('set.tar', await tarFile(entries))], { ...options, ...more }, limits);
}

const png = (name: string, seed = 1): TarFixture => ({ name, body: pngFile(8, 8, seed) });
const two = [png('a/0.png'), png('b/0.png')];

describe('tar uploads', () => {
  it('keep PNG and JPEG as files, with labels by the order of the folders', async () => {
    const jpeg = Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 0, 4, 0, 0, 0xff, 0xff, 0xc2, 0, 11, 8, 0, 8, 0, 8, 1);
    const { batches, summary } = await read([
      { name: './' },
      { name: './dog/' },
      png('./dog/1.png', 5),
      png('./cat/x.PNG', 6),
      { name: './dog/2.jpeg', body: jpeg },
    ]);
    expect(batches).toEqual([
      {
        firstRow: 0,
        labels: Int32Array.of(1, 0),
        files: [
          { name: 'dog/1.png', bytes: pngFile(8, 8, 5) },
          { name: 'cat/x.PNG', bytes: pngFile(8, 8, 6) },
        ],
      },
      { firstRow: 2, labels: Int32Array.of(1), files: [{ name: 'dog/2.jpeg', bytes: jpeg }] },
    ]);
    expect(summary).toEqual({ examples: 3, classCounts: [1, 2], classNames: ['cat', 'dog'] });
  });

  it('turn PPM into pixels with their names, and PGM too', async () => {
    const { batches } = await read([
      { name: 'train/a/0.ppm', body: ppmFile(4, 3) },
      { name: 'train/b/1.ppm', body: ppmFile(4, 4) },
      { name: 'train/b/2.pgm', body: Uint8Array.of(...Buffer.from('P5 4 4 255 '), ...patternedBytes(16)) },
    ]);
    const interleaved = [3, 4].map((seed) => patternedBytes(48, seed));
    const planes = interleaved.flatMap((values) =>
      [0, 1, 2].flatMap((channel) => Array.from({ length: 16 }, (_, at) => values[3 * at + channel])),
    );
    expect(batches).toEqual([
      {
        firstRow: 0,
        labels: Int32Array.of(0, 1),
        names: ['train/a/0.ppm', 'train/b/1.ppm'],
        pixels: { shape: [3, 4, 4], datatype: 'UINT8', data: Uint8Array.from(planes) },
      },
      {
        firstRow: 2,
        labels: Int32Array.of(1),
        names: ['train/b/2.pgm'],
        pixels: { shape: [1, 4, 4], datatype: 'UINT8', data: patternedBytes(16) },
      },
    ]);
  });

  it('take the numbers of folders as labels where all are numbers', async () => {
    const entries = [png('00010/a.png'), png('2/a.png'), { name: '7/' }];
    const { batches, summary } = await read(entries, { classes: 43 });
    expect([...batches[0].labels]).toEqual([10, 2]);
    expect(summary.classNames).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '00010']);
    expect(summary.classCounts).toEqual([0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]);
    await expect(read([png('43/a.png'), png('2/a.png')], { classes: 43 })).rejects.toThrow(
      /class folder 43; labels go up to 42/,
    );
    await expect(read([png('1/a.png'), png('01/a.png')])).rejects.toThrow(/two folders of class 1: 1 and 01/);
    await expect(read([png('9007199254740993/a.png'), png('1/a.png')])).rejects.toThrow(/labels go up to/);
  });

  it('give the same batches plain and gzipped, however they are cut', async () => {
    const entries = Array.from({ length: 30 }, (_, row): TarFixture => {
      const name = `${row % 3}/${'long'.repeat(row)}${row}.${row % 4 ? 'png' : 'ppm'}`;
      return { name, body: row % 4 ? pngFile(5, 5, row) : ppmFile(5, row) };
    });
    const archive = await tarFile(entries);
    const whole = await readAll([fileOf('set.tar', archive)], options);
    expect(whole.summary.examples).toBe(30);
    for (const sizes of [[511, 2], [513], [7919], [100_000]]) {
      for (const file of [archive, gzipped(archive)]) {
        expect(await readAll([fileOf('set.tar', file, sizes)], options)).toEqual(whole);
      }
    }
    const later = await readAll([fileOf('set.tar', archive)], {
      ...options,
      firstRow: whole.batches[3].firstRow,
    });
    expect(later.batches).toEqual(whole.batches.slice(3));
  });

  it('end batches where they would be too many bytes', async () => {
    const entries = Array.from({ length: 5 }, (_, row) => png(`${row % 2}/${row}.png`));
    const { batches } = await read(entries, { batch: 9 }, { batchBytes: 130 });
    expect(batches.map(({ labels }) => labels.length)).toEqual([2, 2, 1]);
  });

  it('leave out what lies beside the examples, and tell of it', async () => {
    const beside = ['README.md', '.DS_Store', 'a/Thumbs.db', 'a/GT-00000.csv', '.git/config'];
    const { batches, summary } = await read([
      ...two,
      ...beside.map((name) => ({ name, body: patternedBytes(700) })),
      { name: '__MACOSX/a/._0.png', body: Uint8Array.of(0, 5, 22, 7, ...patternedBytes(100)) },
      png('b/license-plate.png'),
      png('b/readme.png'),
    ]);
    expect(batches.flatMap(({ files }) => files?.map(({ name }) => name))).toEqual([
      'a/0.png',
      'b/0.png',
      'b/license-plate.png',
      'b/readme.png',
    ]);
    expect(summary.ignored).toEqual({ files: 6, first: [...beside, '__MACOSX/a/._0.png'] });
  });

  it('are refused with a hidden image, which training might read', async () => {
    for (const name of ['a/.1.png', 'a/._1.png', '.a/1.png', '__MACOSX/1.png']) {
      await expect(read([...two, png(name)])).rejects.toThrow(`${name} in set.tar is hidden and an image`);
    }
  });

  it('are refused with the file that is no image, or not what is read', async () => {
    const refuse = (entry: TarFixture, message: RegExp) =>
      expect(read([...two, entry])).rejects.toThrow(message);
    await refuse(
      { name: 'a/run.exe', body: patternedBytes(9) },
      /a\/run.exe in set.tar is no PNG, JPEG or PPM/,
    );
    await refuse({ name: 'a/1.gif', body: patternedBytes(9) }, /a\/1.gif in set.tar is no PNG/);
    await refuse({ name: 'a/1.png', body: patternedBytes(90) }, /a\/1.png in set.tar is no PNG/);
    await refuse({ name: 'a/1.png', body: new Uint8Array(0) }, /a\/1.png in set.tar is no PNG/);
    await refuse({ name: 'a/1.png', body: pngFile(8).subarray(0, 20) }, /a\/1.png .*ends before its size/);
    await refuse(
      { name: 'a/1.jpg', body: Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 255, 255) },
      /ends before its size/,
    );
    await refuse({ name: 'a/1.png', body: pngFile(0, 8) }, /0 x 8 pixels/);
    const ppm = (text: string, pixels = 12) =>
      ({ name: 'a/1.ppm', body: Uint8Array.of(...Buffer.from(text), ...patternedBytes(pixels)) }) as const;
    await refuse(ppm('P6 2 2 '), /header that cannot be read/);
    await refuse(ppm('P6 2 2 65535\n', 24), /pixels of 0 to 65535/);
    await refuse(ppm('P6 2 2 255\n', 11), /11 bytes of pixels, its header says 2 x 2 of 3 channels/);
    await refuse(ppm('P6 2 2 255\n', 13), /13 bytes of pixels/);
    await refuse(ppm('P6 0 0 255\n', 0), /0 bytes of pixels/);
  });

  it('are refused with the image of another size', async () => {
    await expect(read([...two, { name: 'b/1.png', body: pngFile(8, 9) }])).rejects.toThrow(
      /b\/1.png in set.tar is 8 x 9 pixels, a\/0.png is 8 x 8: all images have one size/,
    );
    await expect(read(two, { shape: [3, 32, 24] })).rejects.toThrow(/8 x 8 pixels, the model reads 24 x 32/);
    const grey = {
      name: 'a/0.pgm',
      body: Uint8Array.of(...Buffer.from('P5 8 8 255 '), ...patternedBytes(64)),
    };
    await expect(read([grey, ...two], { shape: [3, 8, 8] })).rejects.toThrow(
      /\[1, 8, 8\].*model reads \[3, 8, 8\]/,
    );
  });

  it('are refused where a path leads out, is a link or a device, or is too long', async () => {
    const refuse = (entry: TarFixture, message: RegExp) =>
      expect(read([...two, entry])).rejects.toThrow(message);
    await refuse(png('/etc/x.png'), /the path "\/etc\/x.png", which leads out of it/);
    await refuse(png('a/../../x.png'), /leads out/);
    await refuse(png('a\\..\\x.png'), /leads out/);
    await refuse(png('a/\n.png'), /"a\/\\n.png"/);
    await refuse(
      { name: 'a/1.png', type: 'symlink', linkname: '/etc/passwd' },
      /a\/1.png in set.tar is a symlink/,
    );
    await refuse({ name: 'a/1.png', type: 'link', linkname: 'a/0.png' }, /a\/1.png in set.tar is a link/);
    await refuse({ name: 'a/1.png', type: 'character-device' }, /is a character-device/);
    await refuse({ name: 'a/1.png', type: 'fifo' }, /is a fifo/);
    await refuse(png(`a/${'x'.repeat(300)}.png`), /path of 306 characters, over 255: "a\/xxx/);
  });

  it('are refused where class folders do not stand side by side', async () => {
    await expect(read([...two, png('0.png')])).rejects.toThrow(/0.png in set.tar lies in no class folder/);
    await expect(read([...two, png('a/deep/1.png')])).rejects.toThrow(
      /a\/deep\/1.png in set.tar lies in a folder of a, other examples in folders of the top/,
    );
    await expect(read([png('train/a/0.png'), png('test/b/0.png')])).rejects.toThrow(/side by side/);
  });

  it('are refused where a file is there twice', async () => {
    await expect(read([...two, png('a/0.png')])).rejects.toThrow(/a\/0.png in set.tar is there twice/);
    await expect(read([...two, png('./a//0.png')])).rejects.toThrow(/a\/0.png in set.tar is there twice/);
  });

  it('are refused where folders do not fit the model, or there is one', async () => {
    await expect(read(two, { classes: 3 })).rejects.toThrow(/2 class folders, the model 3 classes/);
    await expect(read([...two, { name: 'c/' }])).rejects.toThrow(/class folder c in set.tar has no examples/);
    await expect(read([png('a/0.png'), png('a/1.png')])).rejects.toThrow(/label 0; two classes are needed/);
    await expect(read([])).rejects.toThrow(/no examples/);
    await expect(read([{ name: 'a/' }, { name: 'README', body: patternedBytes(3) }])).rejects.toThrow(
      /no examples/,
    );
  });

  it('are refused where they are cut short anywhere, damaged or something else', async () => {
    const archive = await tarFile([...two, { name: 'a/1.png', body: pngFile(8) }]);
    for (const file of [archive, gzipped(archive)]) {
      for (let end = 0; end < file.length; end += Math.ceil(file.length / 40)) {
        await expect(readAll([fileOf('set.tar', file.subarray(0, end))], options)).rejects.toMatchObject({
          code: 'invalid_dataset',
          message: expect.stringMatching(/set.tar is (no tar archive, )?damaged or cut short/),
        });
      }
    }
    const damaged = archive.slice();
    damaged[1024 + 3] ^= 1;
    await expect(readAll([fileOf('set.tar', damaged)], options)).rejects.toThrow(/no tar archive, damaged/);
    await expect(readAll([fileOf('set.tar', patternedBytes(5000))], options)).rejects.toThrow(
      /no tar archive/,
    );
  });

  it('are refused where they are too large in any way', async () => {
    const large = (limits: object) => expect(read(two, {}, limits)).rejects;
    await large({ archiveEntries: 1 }).toMatchObject({ code: 'body_too_large' });
    await large({ examples: 1 }).toMatchObject({ code: 'body_too_large' });
    await large({ exampleBytes: 59 }).toThrow(/a\/0.png in set.tar has 60 bytes; 59 are read/);
    await large({ classes: 1 }).toThrow(/more than 1 folders/);
    const bomb = gzipped(await tarFile([...two, { name: 'README', body: new Uint8Array(3_000_000) }]));
    const reading = readAll([fileOf('set.tar', bomb)], options, { inflationFreeBytes: 1_000_000 });
    await expect(reading).rejects.toThrow(/set.tar unpacks to more than 100 times its size/);
  });

  it('pass on a failure of their source as it is', async () => {
    const { source, name } = fileOf('set.tar', await tarFile(two));
    let pulls = 0;
    const stream = () =>
      new ReadableStream<Uint8Array>({
        async pull(controller) {
          if (pulls++ > 1) throw new Error('the store is away');
          controller.enqueue(await source.read(0, 600));
        },
      });
    await expect(readAll([{ name, source: { ...source, stream } }], options)).rejects.toThrow(
      'the store is away',
    );
  });
});

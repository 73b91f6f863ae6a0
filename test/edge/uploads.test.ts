// Uploads read in workerd out of R2: the shards are those of Node, to the bit.
import { createHash } from 'node:crypto';
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeNpz } from '../../gpu-worker/datasets/npz.ts';
import { writeShard } from '../../shared/uploads/shard.ts';
import type { UploadOptions } from '../../shared/uploads/upload.ts';
import {
  fileOf,
  gzipped,
  idxFile,
  patternedBytes,
  pngFile,
  ppmFile,
  readAll,
  tarFile,
} from '../helpers/upload-fixture.ts';

type Files = Readonly<Record<string, Uint8Array>>;

const labels = patternedBytes(500).map((byte) => byte % 7);
const pixels = patternedBytes(500 * 3 * 20 * 20);

describe('uploads in workerd', () => {
  let miniflare: Miniflare;

  beforeAll(async () => {
    const entry = new URL('../fixtures/upload-worker.ts', import.meta.url).pathname;
    const built = await build({
      configFile: false,
      logLevel: 'error',
      build: { write: false, minify: false, target: 'esnext', lib: { entry, formats: ['es'] } },
    });
    const [{ output }] = built as Extract<typeof built, readonly unknown[]>;
    const worker = {
      name: 'uploads',
      modules: true,
      script: output[0].code,
      compatibilityDate: '2026-07-01',
      r2Buckets: ['UPLOADS'],
    };
    miniflare = new Miniflare(
      convertV4MiniflareOptions({ cf: false, log: new Log(LogLevel.ERROR), workers: [worker] }),
    );
  });
  afterAll(() => miniflare.dispose());

  async function readThere(
    files: Files,
    options: UploadOptions,
  ): Promise<{ status: number; answer: unknown; takenAtFirst: number }> {
    const url = new URL('http://edge/');
    for (const [name, bytes] of Object.entries(files)) {
      const object = new URL(`/${name}`, url);
      await miniflare.dispatchFetch(object, { method: 'PUT', body: new Uint8Array(bytes) });
      url.searchParams.append('object', name);
    }
    const response = await miniflare.dispatchFetch(url, { method: 'POST', body: JSON.stringify(options) });
    const { takenAtFirst, ...answer } = (await response.json()) as { takenAtFirst: number };
    return { status: response.status, answer, takenAtFirst };
  }

  async function readHere(files: Files, options: UploadOptions) {
    const { batches, summary } = await readAll(
      Object.entries(files).map(([name, bytes]) => fileOf(name, bytes)),
      options,
    );
    const digests = batches.map((batch) => createHash('sha256').update(writeShard(batch)).digest('hex'));
    return { digests, summary };
  }

  const npz = writeNpz({
    x: { datatype: 'UINT8', shape: [500, 20, 20, 3], data: pixels },
    y: { datatype: 'INT64', shape: [500], data: BigInt64Array.from(labels, BigInt) },
  });

  it.each<[string, Files, UploadOptions]>([
    ['npz', { 'set.npz': npz }, { format: 'npz', batch: 64 }],
    [
      'IDX, gzipped',
      { images: gzipped(idxFile([500, 40, 30], pixels)), labels: idxFile([500], labels) },
      { format: 'idx', batch: 100 },
    ],
    ['CIFAR binary', { cifar: records() }, { format: 'cifar-binary', batch: 7 }],
  ])('of %s give the same', async (_, files, options) => {
    const there = await readThere(files, options);
    expect(there).toMatchObject({ status: 200, answer: await readHere(files, options) });
  });

  it('of class folders give the same, plain and gzipped', async () => {
    const entries = Array.from({ length: 300 }, (_, row) => {
      return { name: `${row % 5}/${row}`, row };
    }).map(({ name, row }) =>
      row < 150
        ? { name: `${name}.png`, body: pngFile(9, 9, row) }
        : { name: `${name}.ppm`, body: ppmFile(9, row) },
    );
    const options: UploadOptions = { format: 'tar', batch: 64 };
    const archive = await tarFile(entries);
    for (const files of [{ 'set.tar': archive }, { 'set.tar': gzipped(archive) }]) {
      expect(await readThere(files, options)).toMatchObject({
        status: 200,
        answer: await readHere(files, options),
      });
    }
  });

  it('are read as far as they are wanted, not ahead', async () => {
    const images = idxFile([700, 3, 32, 32], patternedBytes(700 * 3_072));
    const y = new Uint8Array(700).map((_, row) => row % 2);
    const tar = tarFile(
      Array.from(y, (label, row) => ({ name: `${label}/${row}.ppm`, body: ppmFile(32, row) })),
    );
    const uploads: readonly [Files, UploadOptions][] = [
      [
        { labels: idxFile([700], y), images: gzipped(images) },
        { format: 'idx', batch: 20 },
      ],
      [{ 'set.tar': gzipped(await tar) }, { format: 'tar', batch: 20 }],
    ];
    for (const [files, options] of uploads) {
      const { status, takenAtFirst } = await readThere(files, options);
      expect(status).toBe(200);
      // A batch is 61,440 bytes, of an upload of over two million; the reader of archives holds up to a megabyte.
      expect(takenAtFirst).toBeGreaterThan(50_000);
      expect(takenAtFirst).toBeLessThan(1_500_000);
    }
  });

  it('are refused as in Node where they are cut short, damaged or unpack to too much', async () => {
    const refusals: readonly [Files, UploadOptions, RegExp][] = [
      [{ 'set.npz': npz.subarray(0, 9_000) }, { format: 'npz', batch: 64 }, /no zip file, or cut short/],
      [{ 'set.npz': flipped(npz, 9_000) }, { format: 'npz', batch: 64 }, /x.npy in set.npz is damaged/],
      [{ 'set.tar': gzipped(new Uint8Array(20_000_000)) }, { format: 'tar', batch: 1 }, /100 times its size/],
      [
        { 'set.tar': gzipped(patternedBytes(9_000)).subarray(0, 5_000) },
        { format: 'tar', batch: 1 },
        /cut short/,
      ],
      [{ cifar: records().subarray(0, -1) }, { format: 'cifar-binary', batch: 64 }, /within record 99/],
    ];
    for (const [files, options, message] of refusals) {
      const { status, answer } = await readThere(files, options);
      expect(status).toBe(422);
      expect((answer as { error: string }).error).toMatch(message);
    }
  });
});

function records(): Uint8Array<ArrayBuffer> {
  const bytes = patternedBytes(100 * 3073);
  for (let at = 0; at < bytes.length; at += 3073) bytes[at] %= 10;
  return bytes;
}

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const damaged = bytes.slice();
  damaged[at] ^= 0xff;
  return damaged;
}

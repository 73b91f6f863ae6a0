// Uploads of every format, as the stream readers of a screening job take them.
import { zipSync } from 'fflate';
import { writeNpy } from '../../../gpu-worker/datasets/npy.ts';
import { npzArrayNames, readNpz, writeNpz } from '../../../gpu-worker/datasets/npz.ts';
import type { Tensor } from '../../../shared/maths/tensor.ts';
import { describeUpload } from '../../../shared/uploads/describe-upload.ts';
import {
  defaultUploadLimits,
  type ExampleBatch,
  type UploadOptions,
} from '../../../shared/uploads/upload.ts';
import {
  fileOf,
  gzipped,
  idxFile,
  pngFile,
  ppmFile,
  readAll,
  tarFile,
} from '../../helpers/upload-fixture.ts';
import { type FuzzTarget, mustHold, sameBytes } from '../target.ts';

/** Bounds that small cases can reach. */
const limits = {
  ...defaultUploadLimits,
  examples: 1_000,
  classes: 100,
  inflatedBytes: 1024 * 1024,
  inflationFreeBytes: 64 * 1024,
  archiveEntries: 64,
};
const block = 512;
const npyWords = [
  "'descr'",
  "'fortran_order'",
  "'shape'",
  'True',
  'False',
  "'|u1'",
  "'<f4'",
  "'<i8'",
  "'<f8'",
  "'>f4'",
];
const zipWords = [
  ...['PK\x01\x02', 'PK\x03\x04', 'PK\x05\x06', 'PK\x06\x06', 'PK\x06\x07', 'x.npy', 'y.npy'].map((word) =>
    latin1(word),
  ),
  Uint8Array.of(1, 0, 16, 0),
  Uint8Array.of(0xff, 0xff, 0xff, 0xff),
];

const images: Tensor = {
  datatype: 'UINT8',
  shape: [3, 1, 2, 2],
  data: Uint8Array.from({ length: 12 }, (_, i) => i * 20),
};
const floats: Tensor = {
  datatype: 'FP32',
  shape: [3, 3, 1, 2],
  data: new Float32Array(18).map((_, i) => i / 18),
};
const labels: Tensor = { datatype: 'INT64', shape: [3], data: BigInt64Array.of(0n, 1n, 1n) };
const byteLabels: Tensor = { datatype: 'UINT8', shape: [3, 1], data: Uint8Array.of(1, 0, 2) };

/** Whole archives of NumPy. */
export const npzUpload: FuzzTarget = {
  name: 'npz-upload',
  seeds: () => [
    writeNpz({ x: images, y: labels }),
    writeNpz({ images: floats, labels: byteLabels }),
    zipSync({ 'x.npy': writeNpy(floats), 'y.npy': writeNpy(byteLabels) }, { level: 0 }),
  ],
  dictionary: [...npyWords, ...zipWords],
  bytesMax: 2048,
  sliceCases: 500,
  async read(bytes) {
    const read = await readUploadTwice(bytes, 'npz');
    const arrays = ['x', 'y', 'images', 'labels'];
    // An array whose entry has no ending is one to NumPy, but not to the reader that is compared with.
    if (!npzArrayNames(bytes, 'case').some((name) => arrays.includes(name))) return;
    const pair = readNpz(bytes, { name: 'case', arrays });
    const array = pair.x !== undefined && pair.y !== undefined ? pair.x : pair.images;
    mustHold(array !== undefined, 'another reader of archives finds no images');
    mustHold(array.shape[0] === read.labels.length, 'two readers of archives differ in the number of images');
  },
};

/** Archives whose checksums and lengths are right: a case is two array files, after each other's length. */
export const npzArrays: FuzzTarget = {
  name: 'npz-arrays',
  seeds: () => [pairOf(images, labels), pairOf(floats, byteLabels), pairOf(images, byteLabels)],
  dictionary: npyWords,
  bytesMax: 1024,
  sliceCases: 500,
  async read(bytes) {
    const at = Math.min(bytes.length, 2 + (bytes[0] ?? 0) + 256 * (bytes[1] ?? 0));
    const files = { 'x.npy': bytes.subarray(2, at), 'y.npy': bytes.subarray(at) };
    const zip = zipSync(files, { level: 0, mtime: new Date(1980, 0, 1) });
    const read = await readUploadTwice(zip, 'npz');
    const { x, y } = readNpz(zip, { name: 'case', arrays: ['x', 'y'] });
    mustHold(x !== undefined && y !== undefined, 'another reader of archives finds no arrays');
    mustHold(x.shape[0] === read.labels.length, 'two readers of archives differ in the number of images');
    mustHold(
      read.labels.every((label, row) => BigInt(label) === BigInt(y.data[row])),
      'two readers of archives differ in a label',
    );
    if (x.datatype === 'UINT8' && x.shape[1] === 1 && read.pixels.length > 0) {
      mustHold(sameBytes(read.pixels, x.data), 'two readers of archives differ in the pixels');
    }
  },
};

/** Archives of class folders; the headers' checksums are made right where the first byte is even. */
export const tarUpload: FuzzTarget = {
  name: 'tar-upload',
  async seeds() {
    const archive = await tarFile([
      { name: 'a/' },
      { name: 'a/1.ppm', body: ppmFile(2) },
      { name: 'b/2.ppm', body: ppmFile(2, 2) },
      { name: 'readme.txt', body: latin1('hello') },
    ]);
    const files = await tarFile([
      { name: 'x/0/1.png', body: pngFile(3) },
      { name: 'x/1/2.png', body: pngFile(3) },
      { name: `x/1/${'long'.repeat(30)}.png`, body: pngFile(3) },
    ]);
    const seeds = [archive, files].map((bytes) => Uint8Array.of(0, ...bytes));
    return [...seeds, Uint8Array.of(1, ...gzipped(archive))];
  },
  dictionary: [
    'ustar\0' + '00',
    'ustar  \0',
    '.png',
    '.ppm',
    '/',
    '../',
    'path=',
    '28 path=a/1.ppm\n',
    'P6 2 2 255\n',
    '\0',
  ],
  bytesMax: 8192,
  sliceCases: 250,
  async read(bytes) {
    const archive = bytes.slice(1);
    if (bytes[0] % 2 === 0) mendChecksums(archive);
    await readUploadTwice(archive, 'tar');
  },
};

/** IDX pairs. A case is the length of the images' file in two bytes, that file and the labels' file. */
export const idxUpload: FuzzTarget = {
  name: 'idx-upload',
  seeds: () => {
    const files = [idxFile([3, 2, 2], new Uint8Array(12).fill(7)), idxFile([3], [0, 1, 1])];
    return [joined(...(files as [Uint8Array, Uint8Array])), joined(gzipped(files[0]), files[1])];
  },
  dictionary: [
    Uint8Array.of(0, 0, 8, 1),
    Uint8Array.of(0, 0, 8, 3),
    Uint8Array.of(0, 0, 8, 4),
    Uint8Array.of(0x1f, 0x8b, 8),
  ],
  bytesMax: 512,
  sliceCases: 500,
  async read(bytes) {
    const at = Math.min(bytes.length, 2 + (bytes[0] ?? 0) + 256 * (bytes[1] ?? 0));
    const files = [bytes.subarray(2, at), bytes.subarray(at)].map((file, index) =>
      fileOf(`file${index}`, file),
    );
    const { batches, summary } = await readAll(files, { format: 'idx', batch: 2 }, limits);
    checkBatches(batches, summary.examples);
  },
};

/** Files of CIFAR; those of 100 classes where the first byte is odd. */
export const cifarUpload: FuzzTarget = {
  name: 'cifar-upload',
  seeds() {
    const records = new Uint8Array(2 * 3073).map((_, at) => (at % 3073 === 0 ? at / 3073 : at % 251));
    const fine = new Uint8Array(2 * 3074).map((_, at) => (at % 3074 < 2 ? at / 3074 : at % 251));
    return [Uint8Array.of(0, ...records), Uint8Array.of(1, ...fine), Uint8Array.of(0, ...gzipped(records))];
  },
  dictionary: [Uint8Array.of(0x1f, 0x8b, 8)],
  bytesMax: 8192,
  sliceCases: 250,
  async read(bytes) {
    const cifarClasses = bytes[0] % 2 === 0 ? 10 : 100;
    const options: UploadOptions = { format: 'cifar-binary', batch: 2, cifarClasses };
    const { batches, summary } = await readAll([fileOf('case', bytes.subarray(1))], options, limits);
    checkBatches(batches, summary.examples);
  },
};

/** Reads whole and in small pieces, which must come to the same. */
async function readUploadTwice(
  bytes: Uint8Array,
  format: 'npz' | 'tar',
): Promise<{ readonly labels: readonly number[]; readonly pixels: Uint8Array }> {
  const options: UploadOptions = { format, batch: 2, layout: 'nchw' };
  const { batches, summary } = await readAll([fileOf('case', bytes)], options, limits);
  checkBatches(batches, summary.examples);
  const cut = await readAll([fileOf('case', bytes, [1, 7, 300])], options, limits);
  mustHold(
    JSON.stringify(cut.summary) === JSON.stringify(summary),
    'another cut of the stream gives another sum',
  );
  mustHold(
    cut.batches.every((batch, index) => sameBatch(batch, batches[index])),
    'another cut of the stream gives other examples',
  );
  const described = await describeUpload([fileOf('case', bytes)], options, limits);
  mustHold(described.examples === summary.examples, 'the description has another number of examples');
  return {
    labels: batches.flatMap((batch) => [...batch.labels]),
    pixels: Buffer.concat(
      batches.map(({ pixels }) => (pixels?.datatype === 'UINT8' ? pixels.data : new Uint8Array(0))),
    ),
  };
}

function checkBatches(batches: readonly ExampleBatch[], examples: number): void {
  let row = 0;
  for (const { firstRow, labels, pixels, files } of batches) {
    mustHold(firstRow === row, 'a batch begins at another row');
    mustHold((pixels === undefined) !== (files === undefined), 'a batch has pixels and files, or neither');
    if (pixels !== undefined) {
      const size = pixels.shape.reduce((product, extent) => product * extent, labels.length);
      mustHold(pixels.data.length === size, 'a batch has another number of pixels');
    } else mustHold(files!.length === labels.length, 'a batch has another number of files');
    row += labels.length;
  }
  mustHold(row === examples, 'the sum is another than that of the batches');
}

function sameBatch(one: ExampleBatch, other: ExampleBatch): boolean {
  const bytesOf = ({ pixels, files }: ExampleBatch) =>
    pixels === undefined ? Buffer.concat(files!.map(({ bytes }) => bytes)) : pixels.data;
  return sameBytes(one.labels, other.labels) && sameBytes(bytesOf(one), bytesOf(other));
}

function pairOf(x: Tensor, y: Tensor): Uint8Array {
  return joined(writeNpy(x), writeNpy(y));
}

function joined(one: Uint8Array, other: Uint8Array): Uint8Array {
  return Uint8Array.of(one.length & 255, one.length >> 8, ...one, ...other);
}

function latin1(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'latin1'));
}

/** Writes the sum that POSIX asks for into every block that could be a header. */
function mendChecksums(archive: Uint8Array): void {
  for (let at = 0; at + block <= archive.length; at += block) {
    const header = archive.subarray(at, at + block);
    if (header[257] !== 0x75 || header[258] !== 0x73) continue;
    header.fill(0x20, 148, 156);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.set(latin1(`${sum.toString(8).padStart(6, '0')}\0 `), 148);
  }
}

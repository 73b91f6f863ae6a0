// Files of arrays and images that are read whole: NumPy's, IDX, CIFAR, Netpbm, and the headers of PNG and JPEG.
import { parseCifar } from '../../../gpu-worker/datasets/cifar-binary.ts';
import { parseIdx } from '../../../gpu-worker/datasets/idx.ts';
import { parseNpy, writeNpy } from '../../../gpu-worker/datasets/npy.ts';
import { npzArrayNames, readNpz, writeNpz } from '../../../gpu-worker/datasets/npz.ts';
import { elementCount, type Tensor } from '../../../shared/maths/tensor.ts';
import { imageSize } from '../../../shared/uploads/image-size.ts';
import { isNetpbm, parseNetpbm } from '../../../shared/uploads/netpbm.ts';
import { gzipped, idxFile, pngFile, ppmFile } from '../../helpers/upload-fixture.ts';
import { type FuzzTarget, mustHold, sameBytes } from '../target.ts';

const tensors: readonly Tensor[] = [
  { datatype: 'FP32', shape: [2, 3], data: new Float32Array(6).fill(0.5) },
  { datatype: 'UINT8', shape: [3, 1, 2], data: Uint8Array.of(1, 2, 3, 4, 5, 6) },
  { datatype: 'INT64', shape: [2], data: BigInt64Array.of(1n, -1n) },
  { datatype: 'BOOL', shape: [1, 1, 3], data: Uint8Array.of(0, 1, 1) },
  { datatype: 'UINT16', shape: [], data: Uint16Array.of(513) },
];
const npyWords = [
  "{'descr': '<f4', ",
  "'fortran_order': True, ",
  "'shape': (2, 3), ",
  '(',
  ')',
  '(2,)',
  '()',
  '}',
  '\n',
  ', ',
  "'|b1'",
  "'|u1'",
  "'<u2'",
  "'<i8'",
  "'>f4'",
  "'|O'",
  '[',
  "('a', '<f4')",
  '99999999999999999999',
  '00',
  '\\x',
];

/** NumPy's array file. */
export const npy: FuzzTarget = {
  name: 'npy',
  seeds: () => [
    ...tensors.map(writeNpy),
    // In Fortran order.
    Uint8Array.from(
      Buffer.from(writeNpy(tensors[0])).toString('latin1').replace('False', 'True '),
      (letter) => letter.charCodeAt(0),
    ),
  ],
  dictionary: npyWords,
  bytesMax: 512,
  sliceCases: 3_000,
  read(bytes) {
    const tensor = parseNpy(bytes, 'case');
    mustHold(elementCount(tensor.shape) === tensor.data.length, 'an array of another size than its shape');
    const again = parseNpy(writeNpy(tensor), 'written');
    mustHold(sameTensor(again, tensor), 'an array is written otherwise than it was read');
  },
};

/** NumPy's archive, read whole. */
export const npzFile: FuzzTarget = {
  name: 'npz-file',
  seeds: () => [writeNpz({ x: tensors[0] }), writeNpz({ x: tensors[1], y: tensors[2] }), writeNpz({})],
  dictionary: [...npyWords, 'PK\x01\x02', 'PK\x03\x04', 'PK\x05\x06', 'x.npy', 'y.npy'],
  bytesMax: 1024,
  sliceCases: 1_500,
  read(bytes) {
    const names = npzArrayNames(bytes, 'case');
    mustHold(new Set(names).size === names.length, 'an archive has a name twice');
    const arrays = readNpz(bytes, { name: 'case', arrays: ['x', 'y'] });
    const again = readNpz(writeNpz(arrays as Record<string, Tensor>), {
      name: 'written',
      arrays: ['x', 'y'],
    });
    for (const name of ['x', 'y'] as const) {
      const [one, other] = [arrays[name], again[name]];
      mustHold((one === undefined) === (other === undefined), 'an array was lost');
      if (one && other) mustHold(sameTensor(one, other), 'an archive is written otherwise than it was read');
    }
  },
};

/** IDX, read whole. */
export const idx: FuzzTarget = {
  name: 'idx',
  seeds: () => [idxFile([2, 2], [1, 2, 3, 4]), idxFile([3], [1, 2, 3]), gzipped(idxFile([2], [1, 2]))],
  dictionary: [Uint8Array.of(0, 0, 8, 1), Uint8Array.of(0x1f, 0x8b, 8)],
  bytesMax: 256,
  sliceCases: 3_000,
  read(bytes) {
    const { shape, values } = parseIdx(bytes, 'case');
    const again = parseIdx(idxFile(shape, values), 'written');
    mustHold(
      again.shape.join() === shape.join() && sameBytes(again.values, values),
      'an IDX file reads otherwise',
    );
  },
};

/** CIFAR, read whole. */
export const cifar: FuzzTarget = {
  name: 'cifar',
  seeds: () => {
    const records = new Uint8Array(2 * 3073).map((_, at) => (at % 3073 === 0 ? at / 3073 : at % 251));
    return [records, records.slice(3073), gzipped(records)];
  },
  dictionary: [Uint8Array.of(0x1f, 0x8b, 8)],
  bytesMax: 8192,
  sliceCases: 1_000,
  read(bytes) {
    const { inputs, labels } = parseCifar(bytes, 'case');
    mustHold(inputs.length === 3072 * labels.length, 'images and labels do not belong together');
    mustHold(
      labels.every((label) => label >= 0 && label < 10),
      'a label is no class',
    );
    mustHold(
      inputs.every((value) => value >= 0 && value <= 1),
      'a pixel is out of range',
    );
  },
};

/** Netpbm images and the sizes in the headers of the others. */
export const imageHeader: FuzzTarget = {
  name: 'image-header',
  seeds: () => [
    ppmFile(2),
    Uint8Array.from(Buffer.from('P5 3 1 255\nabc')),
    pngFile(3, 2),
    // A JPEG file's first segments: APP0, a quantisation table cut short, then the frame.
    Uint8Array.of(
      0xff,
      0xd8,
      0xff,
      0xe0,
      0,
      4,
      1,
      1,
      0xff,
      0xff,
      0xdb,
      0,
      3,
      0,
      0xff,
      0xc0,
      0,
      11,
      8,
      0,
      2,
      0,
      3,
      1,
      1,
      17,
      0,
    ),
  ],
  dictionary: [
    'P5',
    'P6',
    '# comment\n',
    ' 255\n',
    'IHDR',
    Uint8Array.of(0xff, 0xd8),
    Uint8Array.of(0xff, 0xc0),
    '999999',
  ],
  bytesMax: 256,
  sliceCases: 3_000,
  read(bytes) {
    if (!isNetpbm(bytes)) {
      const { width, height } = imageSize(bytes, 'case');
      mustHold(width > 0 && height > 0 && Number.isInteger(width * height), 'an image without a size');
      return;
    }
    const { shape, data } = parseNetpbm(bytes, 'case');
    mustHold(data.length === elementCount(shape), 'an image has another number of pixels');
    const [channels, height, width] = shape;
    const pixels = new Uint8Array(data.length).map(
      (_, at) => data[(at % channels) * height * width + Math.floor(at / channels)],
    );
    const written = Buffer.concat([
      Buffer.from(`P${channels === 1 ? 5 : 6} ${width} ${height} 255\n`),
      pixels,
    ]);
    mustHold(
      sameBytes(parseNetpbm(written, 'written').data, data),
      'an image is written otherwise than it was read',
    );
  },
};

function sameTensor(one: Tensor, other: Tensor): boolean {
  return (
    one.datatype === other.datatype &&
    one.shape.join() === other.shape.join() &&
    sameBytes(one.data, other.data)
  );
}

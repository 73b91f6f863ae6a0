// Image files, decoded by libvips behind our own checks.
import { crc32 } from 'node:zlib';
import { decode } from 'fast-png';
import sharp from 'sharp';
import { checkImage, decodeImage } from '../../../gpu-worker/images/sharp-image.ts';
import { type FuzzTarget, mustHold } from '../target.ts';

const [width, height] = [5, 4];
/** Bytes that a case has before the file: its first bit says the channels, its second whether checksums are made right. */
const headBytes = 1;
const signatureBytes = 8;
/** Bytes of a PNG chunk beside its content: length and type before, a checksum behind. */
const chunkBytes = 12;

/** PNG and JPEG files. */
export const image: FuzzTarget = {
  name: 'image',
  async seeds() {
    const raw = (channels: 1 | 3) => {
      const pixels = Buffer.from(
        Array.from({ length: channels * width * height }, (_, at) => (at * 37) % 251),
      );
      return sharp(pixels, { raw: { width, height, channels } }).toColourspace(
        channels === 1 ? 'b-w' : 'srgb',
      );
    };
    const files = [
      await raw(3).png().toBuffer(),
      await raw(3).png({ palette: true }).toBuffer(),
      await raw(3).png({ progressive: true }).toBuffer(),
      await raw(3).jpeg().toBuffer(),
      await raw(3).jpeg({ progressive: true, chromaSubsampling: '4:4:4' }).toBuffer(),
    ];
    const grey = [await raw(1).png().toBuffer(), await raw(1).jpeg().toBuffer()];
    return [
      ...files.map((file) => Uint8Array.of(3, ...file)),
      ...grey.map((file) => Uint8Array.of(2, ...file)),
    ];
  },
  dictionary: [
    'IHDR',
    'IDAT',
    'IEND',
    'PLTE',
    'tRNS',
    'gAMA',
    'acTL',
    'iCCP',
    'eXIf',
    'Exif\0\0',
    'JFIF\0',
    'Adobe',
  ].flatMap((word) => [word]),
  bytesMax: 1536,
  sliceCases: 400,
  async read(bytes) {
    const flags = bytes[0] ?? 0;
    const file = bytes.slice(headBytes);
    const channels = flags % 2 === 1 ? 3 : 1;
    const isPng = file[0] === 0x89;
    if (isPng && (flags & 2) !== 0) mendChecksums(file);
    const spec = { shape: [channels, height, width] as const, name: 'case' };
    await checkImage(file, spec);
    const planes = await decodeImage(file, spec);
    mustHold(planes.length === channels * height * width, 'an image has another number of pixels');
    if (isPng) comparePng(file, planes, channels);
  },
};

/** Another decoder, where it takes the file and its pixels need no conversion, must find the same. */
function comparePng(file: Uint8Array, planes: Uint8Array, channels: number): void {
  let png: ReturnType<typeof decode>;
  try {
    png = decode(file, { checkCrc: true });
  } catch {
    return;
  }
  if (png.depth !== 8 || png.channels !== channels || png.palette || png.transparency) return;
  mustHold(png.width === width && png.height === height, 'another decoder finds another size');
  const positions = width * height;
  const isSame = planes.every(
    (value, at) => value === png.data[(at % positions) * channels + Math.floor(at / positions)],
  );
  mustHold(isSame, 'another decoder finds other pixels');
}

/** Writes the checksum of every chunk. */
function mendChecksums(png: Uint8Array): void {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  let at = signatureBytes;
  while (at + chunkBytes <= png.length) {
    const end = at + 8 + view.getUint32(at);
    if (end + 4 > png.length) return;
    view.setUint32(end, crc32(png.subarray(at + 4, end)));
    at = end + 4;
  }
}

// Width and height of PNG and JPEG files by their headers; the pixels are decoded elsewhere.
import { invalidUpload } from './upload.ts';

const pngSignature = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
/** Type of PNG's first chunk. */
const imageHeader = 0x49484452;

/** Size in pixels. */
export interface ImageSize {
  readonly width: number;
  readonly height: number;
}

/**
 * Reads the size of a PNG or JPEG file.
 * @param name what to call it in errors
 * @throws GuardError `invalid_dataset` where it is neither, or ends before it says its size
 * @see W3C, "Portable Network Graphics", 11.2.1; ITU-T T.81, B.2.2
 */
export function imageSize(bytes: Uint8Array, name: string): ImageSize {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (pngSignature.every((byte, index) => bytes[index] === byte)) {
    if (bytes.length < 24 || view.getUint32(12) !== imageHeader) {
      throw invalidUpload(`${name} is a PNG file that ends before its size`);
    }
    return sizeOf(view.getUint32(16), view.getUint32(20), name);
  }
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return jpegSize(view, name);
  throw invalidUpload(`${name} is no PNG, JPEG or PPM file`);
}

/** The size stands in the frame header, behind other segments that say their length. */
function jpegSize(view: DataView, name: string): ImageSize {
  let at = 2;
  while (at + 9 <= view.byteLength && view.getUint8(at) === 0xff) {
    const marker = view.getUint8(at + 1);
    if (marker === 0xff) {
      // A byte that only fills.
      at++;
      continue;
    }
    // SOF0 to SOF15 but for DHT, JPG and DAC, which lie among them.
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return sizeOf(view.getUint16(at + 7), view.getUint16(at + 5), name);
    at += 2 + view.getUint16(at + 2);
  }
  throw invalidUpload(`${name} is a JPEG file that ends before its size`);
}

function sizeOf(width: number, height: number, name: string): ImageSize {
  if (width === 0 || height === 0) throw invalidUpload(`${name} is ${width} x ${height} pixels`);
  return { width, height };
}

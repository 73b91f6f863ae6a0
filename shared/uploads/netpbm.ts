// Netpbm's binary images, grey (P5, PGM) and colour (P6, PPM), of eight bits.
import { channelsFirst } from './row-batches.ts';
import { type ImageShape, invalidUpload } from './upload.ts';

/** Bytes of a header with the comments that programs add. */
const headerBytesMax = 4096;
/** Channels of each kind. */
const channelsOf: Readonly<Record<string, number>> = { P5: 1, P6: 3 };

/** Whether a file begins as such an image. */
export function isNetpbm(bytes: Uint8Array): boolean {
  return bytes[0] === 0x50 && (bytes[1] === 0x35 || bytes[1] === 0x36);
}

/**
 * Reads one image.
 * @param name what to call it in errors
 * @returns its pixels, row-major [C, H, W]
 * @throws GuardError `invalid_dataset` where the header cannot be read, a pixel has more or fewer levels than 256, or the
 *   pixels are not as many as it says
 * @see Netpbm, "PPM Format Specification" and "PGM Format Specification"
 */
export function parseNetpbm(
  bytes: Uint8Array,
  name: string,
): { readonly shape: ImageShape; readonly data: Uint8Array<ArrayBuffer> } {
  const text = new TextDecoder('latin1').decode(bytes.subarray(0, headerBytesMax));
  // Three numbers, white space or comments before each, and one white space behind the last.
  const header = /^(P[56])((?:(?:[\t-\r ]|#[^\n]*\n)+\d{1,6}){3})[\t-\r ]/.exec(text);
  if (header === null) throw invalidUpload(`${name} has a PPM header that cannot be read`);
  const [whole, kind, numbers] = header;
  const [width, height, levels] = numbers
    .replaceAll(/#[^\n]*\n/g, ' ')
    .trim()
    .split(/\s+/)
    .map(Number);
  if (levels !== 255) throw invalidUpload(`${name} has pixels of 0 to ${levels}; PPM of 0 to 255 is read`);
  const shape: ImageShape = [channelsOf[kind], height, width];
  const held = bytes.length - whole.length;
  if (held !== shape[0] * height * width || held === 0) {
    const said = `${width} x ${height} of ${shape[0]} channels`;
    throw invalidUpload(`${name} has ${held} bytes of pixels, its header says ${said}`);
  }
  const data = new Uint8Array(bytes.subarray(whole.length));
  return { shape, data: shape[0] === 1 ? data : channelsFirst(data, shape) };
}

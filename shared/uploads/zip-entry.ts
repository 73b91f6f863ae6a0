// One entry of a zip file as a stream, unpacked and checked.
import { crc32 } from './crc32.ts';
import { checkInflation, inflate } from './inflate.ts';
import { invalidUpload, type UploadFile, type UploadLimits } from './upload.ts';
import type { ZipEntry } from './zip-directory.ts';

const localSignature = 0x04034b50;
const localBytes = 30;

/**
 * The bytes of an entry. What the directory says of it is held against its own header, its unpacked size and its checksum;
 * the last two are known at the end alone.
 * @throws GuardError `invalid_dataset` where they differ or it is damaged, `body_too_large` where it unpacks to too much
 */
export async function* zipEntryBytes(
  file: UploadFile,
  entry: ZipEntry,
  limits: UploadLimits,
): AsyncGenerator<Uint8Array, void, void> {
  const name = `${entry.name} in ${file.name}`;
  checkInflation({ bytes: entry.bytes, compressed: entry.compressedBytes, name, limits });
  const start = await contentStart(file, entry, name);
  const packed = take(file.source.stream(start), entry.compressedBytes);
  const content = entry.deflated ? inflate(packed, { format: 'deflate-raw', name, limits }) : packed;
  let [bytes, checksum] = [0, 0];
  for await (const chunk of content) {
    bytes += chunk.length;
    if (bytes > entry.bytes)
      throw invalidUpload(`${name} unpacks to more than the ${entry.bytes} bytes it says`);
    checksum = crc32(chunk, checksum);
    yield chunk;
  }
  if (bytes < entry.bytes) {
    throw invalidUpload(`${name} is cut short: ${bytes} of ${entry.bytes} bytes`);
  }
  if (checksum !== entry.crc32)
    throw invalidUpload(`${name} is damaged: its checksum is not that of its bytes`);
}

/**
 * Where the content begins, behind the entry's own header.
 * @throws GuardError `invalid_dataset` where that is not what the directory says
 */
export async function contentStart({ source }: UploadFile, entry: ZipEntry, name: string): Promise<number> {
  const header = await source.read(entry.offset, localBytes);
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  if (header.length < localBytes || view.getUint32(0, true) !== localSignature) {
    throw invalidUpload(`${name} is not where the directory says`);
  }
  const nameBytes = view.getUint16(26, true);
  const start = entry.offset + localBytes + nameBytes + view.getUint16(28, true);
  const ownName = new TextDecoder().decode(await source.read(entry.offset + localBytes, nameBytes));
  if (ownName !== entry.name || (view.getUint16(8, true) === 8) !== entry.deflated) {
    throw invalidUpload(`${name} is named or packed otherwise in its own header: ${ownName}`);
  }
  if (start + entry.compressedBytes > entry.end) {
    throw invalidUpload(`${name} reaches into what follows it`);
  }
  return start;
}

/** The first bytes of a stream, which is let go behind them. */
async function* take(
  chunks: AsyncIterable<Uint8Array>,
  count: number,
): AsyncGenerator<Uint8Array, void, void> {
  let left = count;
  if (left === 0) return;
  for await (const chunk of chunks) {
    yield chunk.subarray(0, left);
    left -= Math.min(left, chunk.length);
    if (left === 0) return;
  }
}

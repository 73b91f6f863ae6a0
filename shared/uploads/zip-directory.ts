// The central directory of a zip file, found and read by a few ranged reads.
import { GuardError } from '../errors.ts';
import { npzEntriesMax } from '../limits.ts';
import { invalidUpload, type UploadFile } from './upload.ts';

const endSignature = 0x06054b50;
const endBytes = 22;
const locatorSignature = 0x07064b50;
const locatorBytes = 20;
const end64Signature = 0x06064b50;
const end64Bytes = 56;
const entrySignature = 0x02014b50;
const entryBytes = 46;
const localBytes = 30;
/** Tag of the extra field that has numbers for which 32 bits are too few. */
const zip64Tag = 0x0001;
/** A number of which the zip64 field has the true value. */
const elsewhere = 0xffffffff;
/** Bytes of a directory: entries with long names and extra fields, NumPy's have some 60. */
const directoryBytesMax = npzEntriesMax * 1024;

/** One file in the archive. */
export interface ZipEntry {
  readonly name: string;
  readonly deflated: boolean;
  readonly crc32: number;
  /** Bytes as they lie in the archive, and unpacked. */
  readonly compressedBytes: number;
  readonly bytes: number;
  /** Where its local header lies, and where the next thing in the archive does. */
  readonly offset: number;
  readonly end: number;
}

/** Where the directory lies. */
interface Directory {
  readonly entries: number;
  readonly bytes: number;
  readonly offset: number;
}

/**
 * Reads the directory and checks that its entries keep apart.
 * @returns the entries in the order of the directory
 * @throws GuardError `invalid_dataset` where it is no zip file, damaged or cut short, encrypted, packed by another method
 *   than deflate, or two entries have one name or share bytes; `body_too_large` where there are too many
 * @see PKWARE, "APPNOTE.TXT", 4.3
 */
export async function readZipDirectory({ name, source }: UploadFile): Promise<readonly ZipEntry[]> {
  const directory = await findDirectory({ name, source });
  if (directory.entries > npzEntriesMax || directory.bytes > directoryBytesMax) {
    throw new GuardError('body_too_large', `${name} has more than ${npzEntriesMax} entries`);
  }
  const bytes = await source.read(directory.offset, directory.bytes);
  const entries: ZipEntry[] = [];
  const names = new Set<string>();
  let at = 0;
  for (let index = 0; index < directory.entries; index++) {
    const { entry, length } = parseEntry(bytes, at, name);
    if (names.has(entry.name)) throw invalidUpload(`${name} has two entries of the name ${entry.name}`);
    names.add(entry.name);
    entries.push(entry);
    at += length;
  }
  if (at !== bytes.length) throw damaged(name, 'its directory has another length than it says');
  return withEnds(entries, directory.offset, name);
}

async function findDirectory({ name, source }: UploadFile): Promise<Directory> {
  const tailAt = Math.max(0, source.size - endBytes - 0xffff - locatorBytes);
  const tail = viewOf(await source.read(tailAt, source.size - tailAt));
  let at = tail.byteLength - endBytes;
  // The last of the places where a comment of the length that is said would reach to the end of the file.
  while (
    at >= 0 &&
    !(
      tail.getUint32(at, true) === endSignature &&
      tail.getUint16(at + 20, true) === tail.byteLength - at - endBytes
    )
  ) {
    at--;
  }
  if (at < 0) throw invalidUpload(`${name} is no zip file, or cut short: it has no directory at its end`);
  // Readers take either count.
  let isWhole =
    tail.getUint16(at + 8, true) === tail.getUint16(at + 10, true) && tail.getUint32(at + 4, true) === 0;
  let directory = {
    entries: tail.getUint16(at + 10, true),
    bytes: tail.getUint32(at + 12, true),
    offset: tail.getUint32(at + 16, true),
  };
  let endAt = tailAt + at;
  const locatorAt = at - locatorBytes;
  if (locatorAt >= 0 && tail.getUint32(locatorAt, true) === locatorSignature) {
    endAt = number64(tail, locatorAt + 8);
    const record = viewOf(await source.read(endAt, end64Bytes));
    if (record.byteLength < end64Bytes || record.getUint32(0, true) !== end64Signature) {
      throw damaged(name, 'its zip64 directory is not where it says');
    }
    isWhole &&= number64(record, 24) === number64(record, 32);
    directory = {
      entries: number64(record, 32),
      bytes: number64(record, 40),
      offset: number64(record, 48),
    };
  }
  if (!isWhole) throw damaged(name, 'it is one of several parts, or counts its entries in two ways');
  if (directory.offset + directory.bytes > endAt) {
    throw damaged(name, 'its directory reaches beyond its end');
  }
  return directory;
}

function parseEntry(bytes: Uint8Array, at: number, name: string): { entry: ZipEntry; length: number } {
  const view = viewOf(bytes.subarray(at));
  if (view.byteLength < entryBytes || view.getUint32(0, true) !== entrySignature) {
    throw damaged(name, 'its directory cannot be read');
  }
  const [flags, method] = [view.getUint16(8, true), view.getUint16(10, true)];
  const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((field) => view.getUint16(field, true));
  const length = entryBytes + nameBytes + extraBytes + commentBytes;
  if (view.byteLength < length) throw damaged(name, 'its directory cannot be read');
  const entryName = new TextDecoder().decode(bytes.subarray(at + entryBytes, at + entryBytes + nameBytes));
  const extra = bytes.subarray(at + entryBytes + nameBytes, at + entryBytes + nameBytes + extraBytes);
  if (flags & 1) throw invalidUpload(`${name} is encrypted`);
  if (method !== 0 && method !== 8) {
    throw invalidUpload(
      `${entryName} in ${name} is packed by method ${method}; stored and deflated are read`,
    );
  }
  // In the order in which the zip64 field gives those that do not fit.
  const said = [24, 20, 42].map((field) => view.getUint32(field, true));
  const [unpacked, compressed, offset] = said.includes(elsewhere) ? wide(said, viewOf(extra), name) : said;
  const entry = {
    name: entryName,
    deflated: method === 8,
    crc32: view.getUint32(16, true),
    compressedBytes: compressed,
    bytes: unpacked,
    offset,
    end: 0,
  };
  if (!entry.deflated && compressed !== unpacked) {
    throw damaged(name, `${entryName} is stored in ${compressed} bytes and said to have ${unpacked}`);
  }
  return { entry, length };
}

/** Numbers of an entry, those that do not fit taken from its zip64 field. */
function wide(said: readonly number[], extra: DataView, name: string): number[] {
  let at = 0;
  while (at + 4 <= extra.byteLength && extra.getUint16(at, true) !== zip64Tag) {
    at += 4 + extra.getUint16(at + 2, true);
  }
  const fieldEnd = at + 4 <= extra.byteLength ? at + 4 + extra.getUint16(at + 2, true) : 0;
  at += 4;
  return said.map((value) => {
    if (value !== elsewhere) return value;
    if (at + 8 > Math.min(fieldEnd, extra.byteLength)) throw damaged(name, 'an entry lacks its zip64 sizes');
    at += 8;
    return number64(extra, at - 8);
  });
}

/** Gives each entry the place where the next begins; two that share bytes are how a small archive unpacks to much. */
function withEnds(entries: readonly ZipEntry[], directoryAt: number, name: string): readonly ZipEntry[] {
  const ends = new Map<ZipEntry, number>();
  const byOffset = [...entries].sort((one, other) => one.offset - other.offset);
  for (const [index, entry] of byOffset.entries()) {
    const end = byOffset[index + 1]?.offset ?? directoryAt;
    if (entry.offset + localBytes + entry.name.length + entry.compressedBytes > end) {
      throw damaged(name, `${entry.name} reaches into what follows it`);
    }
    ends.set(entry, end);
  }
  return entries.map((entry) => ({ ...entry, end: ends.get(entry)! }));
}

function number64(view: DataView, at: number): number {
  return Number(view.getBigUint64(at, true));
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function damaged(name: string, how: string): GuardError {
  return invalidUpload(`${name} is a damaged zip file: ${how}`);
}

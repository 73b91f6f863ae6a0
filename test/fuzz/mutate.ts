// Makes a new case out of known ones: flips, splices, words of the format, lengths and numbers.
import { mutateJson } from './mutate-json.ts';
import type { RandomWords } from './random.ts';

/** What mutations draw from. */
export interface MutationSources {
  readonly random: RandomWords;
  /** Cases that reached something of their own. */
  readonly corpus: readonly Uint8Array[];
  readonly dictionary: readonly Uint8Array[];
  readonly bytesMax: number;
  /** Separates JSON from bytes behind it; undefined where cases are no JSON. */
  readonly jsonEnd?: number | undefined;
}

/** Numbers at which lengths and counts go wrong. */
const edges = [
  0, 1, 2, 3, 4, 7, 8, 9, 15, 16, 31, 32, 63, 64, 127, 128, 255, 256, 511, 512, 1024, 4096, 32_767,
];
const wideEdges = [32_768, 65_535, 65_536, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff];
const texts = [
  '-0',
  '-1',
  '1e400',
  '1e-400',
  '0.1',
  '-2147483649',
  '2147483648',
  '4294967296',
  '1.5',
  '00',
  '+1',
  '9007199254740991',
  '9007199254740992',
  '9007199254740993',
  '18446744073709551615',
  '1E2',
  '3.4028236e38',
];

type Mutation = (bytes: Uint8Array, sources: MutationSources) => Uint8Array;

const mutations: readonly Mutation[] = [
  flipBit,
  flipBit,
  setByte,
  shiftByte,
  insertBytes,
  removeRange,
  repeatRange,
  copyRange,
  putNumber,
  putNumber,
  putWord,
  insertWord,
  insertWord,
  replaceDigits,
  replaceDigits,
  splice,
  cut,
];

/**
 * Mutates a case of the corpus a few times over.
 * @returns a copy of at most `bytesMax` bytes
 */
export function mutate(sources: MutationSources): Uint8Array {
  const { random, corpus, bytesMax } = sources;
  // A third of the time one of the first, which are valid, and a third a late one, which led somewhere new.
  const some = Math.max(1, Math.min(8, corpus.length));
  const picks = [random.below(some), corpus.length - 1 - random.below(some), random.below(corpus.length)];
  let bytes: Uint8Array = corpus[picks[random.below(picks.length)]].slice();
  if (sources.jsonEnd !== undefined && random.below(4) > 0) {
    bytes = mutateJsonPart(bytes, sources.jsonEnd, random).slice(0, bytesMax);
    if (random.below(4) > 0) return bytes;
  }
  const rounds = 1 + random.below(1 + random.below(random.below(2) === 0 ? 2 : 8));
  for (let round = 0; round < rounds; round++) {
    bytes = mutations[random.below(mutations.length)](bytes, sources);
    if (bytes.length > bytesMax) bytes = bytes.slice(0, bytesMax);
  }
  return bytes;
}

/** What stands behind the separator, and a zero byte in front, stay what they are. */
function mutateJsonPart(bytes: Uint8Array, end: number, random: RandomWords): Uint8Array {
  const start = bytes[0] === 0 ? 1 : 0;
  const at = bytes.indexOf(end);
  const stop = at < 0 ? bytes.length : at;
  const json = Buffer.from(bytes.subarray(start, stop)).toString('latin1');
  const written = Buffer.from(mutateJson(json, random), 'latin1');
  return replaced(bytes, start, stop - start, written);
}

function flipBit(bytes: Uint8Array, { random }: MutationSources): Uint8Array {
  if (bytes.length > 0) bytes[random.below(bytes.length)] ^= 1 << random.below(8);
  return bytes;
}

function setByte(bytes: Uint8Array, { random }: MutationSources): Uint8Array {
  if (bytes.length > 0) bytes[random.below(bytes.length)] = random.below(256);
  return bytes;
}

function shiftByte(bytes: Uint8Array, { random }: MutationSources): Uint8Array {
  if (bytes.length > 0) bytes[random.below(bytes.length)] += random.below(33) - 16;
  return bytes;
}

function insertBytes(bytes: Uint8Array, { random }: MutationSources): Uint8Array {
  const one = random.below(256);
  const added = Uint8Array.from({ length: 1 + random.below(8) }, () =>
    random.below(2) === 0 ? one : random.below(256),
  );
  return replaced(bytes, random.below(bytes.length + 1), 0, added);
}

function removeRange(bytes: Uint8Array, { random }: MutationSources): Uint8Array {
  const { start, length } = rangeOf(bytes, random);
  return replaced(bytes, start, length, new Uint8Array(0));
}

function repeatRange(bytes: Uint8Array, { random }: MutationSources): Uint8Array {
  const { start, length } = rangeOf(bytes, random);
  return replaced(bytes, start, 0, bytes.slice(start, start + length));
}

function copyRange(bytes: Uint8Array, { random }: MutationSources): Uint8Array {
  const { start, length } = rangeOf(bytes, random);
  if (length > 0) bytes.copyWithin(random.below(bytes.length - length + 1), start, start + length);
  return bytes;
}

/** Writes an edge, or the number of bytes that are left, as an integer of one to eight bytes in either order. */
function putNumber(bytes: Uint8Array, { random }: MutationSources): Uint8Array {
  const width = [1, 2, 2, 4, 4, 4, 8][random.below(7)];
  if (bytes.length < width) return bytes;
  const at = random.below(bytes.length - width + 1);
  const all = [...edges, ...wideEdges, bytes.length, bytes.length - at - width];
  const value = all[random.below(all.length)];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const little = random.below(2) === 0;
  if (width === 1) view.setUint8(at, value);
  else if (width === 2) view.setUint16(at, value, little);
  else if (width === 4) view.setUint32(at, value, little);
  else view.setBigUint64(at, BigInt(value), little);
  return bytes;
}

function putWord(bytes: Uint8Array, { random, dictionary }: MutationSources): Uint8Array {
  if (dictionary.length === 0) return bytes;
  const word = dictionary[random.below(dictionary.length)];
  const at = random.below(bytes.length + 1);
  return replaced(bytes, at, Math.min(word.length, bytes.length - at), word);
}

function insertWord(bytes: Uint8Array, { random, dictionary }: MutationSources): Uint8Array {
  if (dictionary.length === 0) return bytes;
  return replaced(bytes, random.below(bytes.length + 1), 0, dictionary[random.below(dictionary.length)]);
}

/** Puts another number in the place of one that is written in digits. */
function replaceDigits(bytes: Uint8Array, { random }: MutationSources): Uint8Array {
  const from = random.below(bytes.length + 1);
  let start = bytes.subarray(from).findIndex(isDigit);
  if (start < 0) return bytes;
  start += from;
  while (start > 0 && isDigit(bytes[start - 1])) start--;
  let end = start;
  while (end < bytes.length && isDigit(bytes[end])) end++;
  const known = Number(String.fromCharCode(...bytes.subarray(start, Math.min(end, start + 15))));
  const near = known + random.below(9) - 4;
  const choices = [
    String(near),
    String(known * 2),
    String(known * 4),
    String(edges[random.below(edges.length)]),
  ];
  const text =
    random.below(5) === 0 ? texts[random.below(texts.length)] : choices[random.below(choices.length)];
  return replaced(bytes, start, end - start, new TextEncoder().encode(text));
}

/** The start of this case with the end, or some of the middle, of another. */
function splice(bytes: Uint8Array, { random, corpus }: MutationSources): Uint8Array {
  const other = corpus[random.below(corpus.length)];
  const { start, length } = rangeOf(other, random);
  const part = other.subarray(start, random.below(2) === 0 ? other.length : start + length);
  const at = random.below(bytes.length + 1);
  return replaced(bytes, at, random.below(2) === 0 ? bytes.length - at : 0, part);
}

function cut(bytes: Uint8Array, { random }: MutationSources): Uint8Array {
  return bytes.slice(0, random.below(bytes.length + 1));
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

/** Short ranges mostly, long ones at times. */
function rangeOf(bytes: Uint8Array, random: RandomWords): { start: number; length: number } {
  if (bytes.length === 0) return { start: 0, length: 0 };
  const start = random.below(bytes.length);
  const longest = bytes.length - start;
  const length = 1 + random.below(random.below(4) === 0 ? longest : Math.min(longest, 16));
  return { start, length };
}

function replaced(bytes: Uint8Array, at: number, length: number, by: Uint8Array): Uint8Array {
  const result = new Uint8Array(bytes.length - length + by.length);
  result.set(bytes.subarray(0, at));
  result.set(by, at);
  result.set(bytes.subarray(at + length), at + by.length);
  return result;
}

// Decodes recordings in WAV files: PCM of 16, 24 or 32 bits and floats, no longer and no shorter than a model reads.
import { GuardError } from '../../shared/errors.ts';
import { audioSecondsMax } from '../../shared/limits.ts';

/** What a model reads. */
export interface WavSpec {
  readonly channels: number;
  /** Of one channel; any number where it is undefined. */
  readonly samples: number | undefined;
  /** Samples a second. */
  readonly sampleRate: number;
  /** Whether several channels may be averaged to the one that the model reads. */
  readonly mixDown: boolean;
}

/** What the `fmt ` chunk says. */
interface WavFormat {
  readonly encoding: 'pcm' | 'float';
  readonly channels: number;
  readonly sampleRate: number;
  readonly bits: number;
}

interface Chunks {
  readonly format: DataView;
  readonly data: DataView;
}

const headerBytes = 12;
const chunkHeaderBytes = 8;
const formatTags: Readonly<Record<number, WavFormat['encoding']>> = { 1: 'pcm', 3: 'float' };
const extensibleTag = 0xfffe;
/** Last 14 bytes of the GUIDs by which an extensible format names one of the tags above: KSDATAFORMAT_SUBTYPE. */
const subformatTail = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];

/**
 * Decodes a file.
 * @returns [channels, samples], in [-1, 1]
 * @throws GuardError `malformed_request` where it is no sound WAV file, `body_too_large` where it lasts longer than any that is
 *   decoded, `invalid_input` where it is not what the model reads
 * @see Multimedia Programming Interface and Data Specifications 1.0 (IBM and Microsoft, 1991), chapter 3
 */
export function decodeWav(file: Uint8Array, spec: WavSpec): Float32Array<ArrayBuffer> {
  const { format: formatChunk, data } = chunksOf(file);
  const format = readFormat(formatChunk);
  const frameBytes = (format.channels * format.bits) / 8;
  if (data.byteLength % frameBytes !== 0) throw broken(`its data are no whole frames of ${frameBytes} bytes`);
  const frames = data.byteLength / frameBytes;
  checkSpec({ ...format, frames }, spec);
  const read = sampleReader(format, data);
  const samples = new Float32Array(spec.channels * frames);
  const mixed = spec.channels !== format.channels;
  for (let frame = 0; frame < frames; frame++) {
    let sum = 0;
    for (let channel = 0; channel < format.channels; channel++) {
      const value = read(frame * format.channels + channel);
      // Written so that a NaN fails it.
      if (!(value >= -1 && value <= 1)) throw unfit(`sample ${frame} is ${value}, outside [-1, 1]`);
      if (mixed) sum += value;
      else samples[channel * frames + frame] = value;
    }
    if (mixed) samples[frame] = sum / format.channels;
  }
  return samples;
}

/** The two chunks that count; others are passed over, a second one of the same name could be what another reader takes. */
function chunksOf(file: Uint8Array): Chunks {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.length < headerBytes || nameAt(view, 0) !== 'RIFF' || nameAt(view, 8) !== 'WAVE') {
    throw broken('it has no RIFF header of a WAVE');
  }
  const found = new Map<string, DataView>();
  let offset = headerBytes;
  while (offset + chunkHeaderBytes <= file.length) {
    const name = nameAt(view, offset);
    const size = view.getUint32(offset + 4, true);
    const start = offset + chunkHeaderBytes;
    if (start + size > file.length) throw broken(`its chunk ${JSON.stringify(name)} is cut short`);
    if (name === 'fmt ' || name === 'data') {
      if (found.has(name)) throw broken(`it has a second chunk ${JSON.stringify(name)}`);
      found.set(name, new DataView(file.buffer, file.byteOffset + start, size));
    }
    // Chunks begin at even places.
    offset = start + size + (size % 2);
  }
  const [format, data] = [found.get('fmt '), found.get('data')];
  if (format === undefined || data === undefined) throw broken('it has no chunk for its format or its data');
  return { format, data };
}

function readFormat(chunk: DataView): WavFormat {
  if (chunk.byteLength < 16) throw broken('its format is cut short');
  const channels = chunk.getUint16(2, true);
  const sampleRate = chunk.getUint32(4, true);
  const blockAlign = chunk.getUint16(12, true);
  const bits = chunk.getUint16(14, true);
  const encoding = formatTags[formatTag(chunk)];
  const isKnown = encoding === 'float' ? bits === 32 : [16, 24, 32].includes(bits);
  if (encoding === undefined || !isKnown) {
    throw unfit('it is neither PCM of 16, 24 or 32 bits nor of 32-bit floats');
  }
  if (channels === 0 || sampleRate === 0 || blockAlign !== (channels * bits) / 8) {
    throw broken('its format contradicts itself');
  }
  return { encoding, channels, sampleRate, bits };
}

function formatTag(chunk: DataView): number {
  const tag = chunk.getUint16(0, true);
  if (tag !== extensibleTag) return tag;
  if (chunk.byteLength < 40) throw broken('its format is cut short');
  const isKnown = subformatTail.every((byte, index) => chunk.getUint8(26 + index) === byte);
  return isKnown ? chunk.getUint16(24, true) : 0;
}

function checkSpec(found: Omit<WavSpec, 'mixDown' | 'samples'> & { frames: number }, spec: WavSpec): void {
  const { channels, sampleRate, frames } = found;
  if (frames > audioSecondsMax * sampleRate) {
    throw new GuardError('body_too_large', `the recording lasts longer than ${audioSecondsMax} seconds`);
  }
  if (sampleRate !== spec.sampleRate) {
    throw unfit(`it has ${sampleRate} samples a second, the model reads ${spec.sampleRate}`);
  }
  const mayMix = spec.channels === 1 && spec.mixDown;
  if (channels !== spec.channels && !mayMix) {
    throw unfit(`it has ${channels} channels, the model reads ${spec.channels}`);
  }
  if (spec.samples !== undefined && frames !== spec.samples) {
    throw unfit(`it has ${frames} samples a channel, the model reads ${spec.samples}`);
  }
}

/** Reads a sample by its number; integers become shares of the largest there is, as common decoders make them. */
function sampleReader({ encoding, bits }: WavFormat, data: DataView): (index: number) => number {
  if (encoding === 'float') return (index) => data.getFloat32(index * 4, true);
  if (bits === 16) return (index) => data.getInt16(index * 2, true) / 2 ** 15;
  if (bits === 32) return (index) => data.getInt32(index * 4, true) / 2 ** 31;
  return (index) => (data.getUint16(index * 3, true) + data.getInt8(index * 3 + 2) * 2 ** 16) / 2 ** 23;
}

function nameAt(view: DataView, offset: number): string {
  return String.fromCharCode(...[0, 1, 2, 3].map((index) => view.getUint8(offset + index)));
}

function broken(detail: string): GuardError {
  return new GuardError('malformed_request', `the recording is damaged: ${detail}`);
}

function unfit(detail: string): GuardError {
  return new GuardError('invalid_input', `the recording does not fit: ${detail}`);
}

// Recordings in WAV files.
import { decodeWav, type WavSpec } from '../../../gpu-worker/media/decode-wav.ts';
import { type FuzzTarget, mustHold, sameBytes } from '../target.ts';

const samples = 4;
const sampleRate = 8_000;
/** Ends of the GUIDs of an extensible format. */
const guidTail = Uint8Array.of(0, 0, 0, 0, 16, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71);

/** WAV files. The first bit of a case's first byte says whether the model reads two channels, the second whether it mixes. */
export const wav: FuzzTarget = {
  name: 'wav',
  seeds: () => [
    caseOf(2, wavFile({ tag: 1, bits: 16, channels: 1 })),
    caseOf(1, wavFile({ tag: 1, bits: 24, channels: 2 })),
    caseOf(2, wavFile({ tag: 1, bits: 32, channels: 2 })),
    caseOf(0, wavFile({ tag: 3, bits: 32, channels: 1 })),
    caseOf(0, wavFile({ tag: 0xfffe, bits: 16, channels: 1 })),
  ],
  dictionary: [
    'RIFF',
    'WAVE',
    'fmt ',
    'data',
    'LIST',
    'fact',
    guidTail,
    Uint8Array.of(0xfe, 0xff),
    Uint8Array.of(0, 0, 0xc0, 0x7f),
  ],
  bytesMax: 512,
  sliceCases: 3_000,
  read(bytes) {
    const flags = bytes[0] ?? 0;
    const channels = 1 + (flags & 1);
    const spec: WavSpec = { channels, samples, sampleRate, mixDown: (flags & 2) !== 0 };
    const decoded = decodeWav(bytes.subarray(1), spec);
    mustHold(decoded.length === channels * samples, 'a recording of another length');
    mustHold(
      decoded.every((value) => value >= -1 && value <= 1),
      'a sample is out of range',
    );
    const frames = decoded.map((_, at) => decoded[(at % channels) * samples + Math.floor(at / channels)]);
    const written = wavFile({ tag: 3, bits: 32, channels, content: new Uint8Array(frames.buffer) });
    mustHold(
      sameBytes(decodeWav(written, spec), decoded),
      'a recording is written otherwise than it was read',
    );
  },
};

/** A file whose every sample is a small one, or has this content. */
function wavFile({
  tag,
  bits,
  channels,
  content = new Uint8Array((samples * channels * bits) / 8).fill(0x3c),
}: {
  tag: number;
  bits: number;
  channels: number;
  content?: Uint8Array;
}): Uint8Array {
  const format = new DataView(new ArrayBuffer(tag === 0xfffe ? 40 : 16));
  const frameBytes = (channels * bits) / 8;
  format.setUint16(0, tag, true);
  format.setUint16(2, channels, true);
  format.setUint32(4, sampleRate, true);
  format.setUint32(8, sampleRate * frameBytes, true);
  format.setUint16(12, frameBytes, true);
  format.setUint16(14, bits, true);
  if (tag === 0xfffe) {
    format.setUint16(16, 22, true);
    format.setUint16(24, 1, true);
    new Uint8Array(format.buffer).set(guidTail, 26);
  }
  const chunks = Buffer.concat([chunkOf('fmt ', new Uint8Array(format.buffer)), chunkOf('data', content)]);
  return chunkOf('RIFF', Buffer.concat([Buffer.from('WAVE'), chunks]));
}

function chunkOf(name: string, content: Uint8Array): Uint8Array {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(content.length);
  return Buffer.concat([Buffer.from(name), size, content]);
}

function caseOf(flags: number, file: Uint8Array): Uint8Array {
  return Uint8Array.of(flags, ...file);
}

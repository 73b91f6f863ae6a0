// Writes WAV files, sound ones and others.

/** What a file is made of. */
export interface WavFile {
  readonly encoding?: 'pcm' | 'float';
  readonly bits?: number;
  readonly channels?: number;
  readonly sampleRate?: number;
  /** Integers as they stand, or floats; the channels of a frame together. */
  readonly samples: readonly number[];
  /** Names the encoding by a GUID. */
  readonly extensible?: boolean;
}

/** Writes one with a chunk that nobody reads between its two, as editors leave them. */
export function wavFile({
  encoding = 'pcm',
  bits = 16,
  channels = 1,
  sampleRate = 8_000,
  samples,
  extensible = false,
}: WavFile): Buffer<ArrayBuffer> {
  const frame = (channels * bits) / 8;
  const format = Buffer.alloc(extensible ? 40 : 16);
  const tag = encoding === 'pcm' ? 1 : 3;
  format.writeUInt16LE(extensible ? 0xfffe : tag, 0);
  format.writeUInt16LE(channels, 2);
  format.writeUInt32LE(sampleRate, 4);
  format.writeUInt32LE(sampleRate * frame, 8);
  format.writeUInt16LE(frame, 12);
  format.writeUInt16LE(bits, 14);
  if (extensible) {
    format.writeUInt16LE(22, 16);
    format.writeUInt16LE(bits, 18);
    Buffer.from(`0${tag}00000000001000800000aa00389b71`, 'hex').copy(format, 24);
  }
  const data = Buffer.alloc((samples.length * bits) / 8);
  for (const [index, sample] of samples.entries()) {
    const offset = (index * bits) / 8;
    if (encoding === 'float' && bits === 32) data.writeFloatLE(sample, offset);
    else if (encoding === 'float') data.writeDoubleLE(sample, offset);
    else if (bits === 8) data.writeUInt8(sample, offset);
    else data.writeIntLE(sample, offset, bits / 8);
  }
  const chunks = Buffer.concat([
    chunk('fmt ', format),
    chunk('LIST', Buffer.from('odd')),
    chunk('data', data),
  ]);
  return Buffer.concat([chunk('RIFF', Buffer.concat([Buffer.from('WAVE'), chunks]))]);
}

/** One chunk, filled up to an even length. */
export function chunk(name: string, body: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.write(name, 'latin1');
  head.writeUInt32LE(body.length, 4);
  return Buffer.concat([head, body, Buffer.alloc(body.length % 2)]);
}

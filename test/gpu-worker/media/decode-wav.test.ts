// WAV files: what their samples are, and what is refused. Values are integers over the power of two that their bits say.
import { describe, expect, it } from 'vitest';
import { decodeWav } from '../../../gpu-worker/media/decode-wav.ts';
import { chunk, wavFile } from '../../helpers/wav-file.ts';

const spec = { channels: 1, samples: 3, sampleRate: 8_000, mixDown: false };

describe('decodeWav', () => {
  it.each([
    ['16-bit PCM', { bits: 16, samples: [0, 16_384, -32_768] }],
    ['24-bit PCM', { bits: 24, samples: [0, 2 ** 22, -(2 ** 23)] }],
    ['32-bit PCM', { bits: 32, samples: [0, 2 ** 30, -(2 ** 31)] }],
    ['32-bit floats', { encoding: 'float', bits: 32, samples: [0, 0.5, -1] }],
    ['PCM that a GUID names', { bits: 16, extensible: true, samples: [0, 16_384, -32_768] }],
    ['floats that a GUID names', { encoding: 'float', bits: 32, extensible: true, samples: [0, 0.5, -1] }],
  ] as const)('reads %s', (_, file) => {
    expect([...decodeWav(wavFile(file), spec)]).toEqual([0, 0.5, -1]);
  });

  it('reads the smallest steps of 24 bits', () => {
    const file = wavFile({ bits: 24, samples: [1, -1, 2 ** 23 - 1] });
    expect([...decodeWav(file, spec)]).toEqual([2 ** -23, -(2 ** -23), 1 - 2 ** -23].map(Math.fround));
  });

  it('gives several channels one after the other, and averages them only where it is told', () => {
    const file = wavFile({ channels: 2, samples: [16_384, 0, 0, -16_384, 8_192, 8_192] });
    expect([...decodeWav(file, { ...spec, channels: 2 })]).toEqual([0.5, 0, 0.25, 0, -0.5, 0.25]);
    expect([...decodeWav(file, { ...spec, mixDown: true })]).toEqual([0.25, -0.25, 0.25]);
    expect(() => decodeWav(file, spec)).toThrow(/2 channels, the model reads 1/);
    expect(() => decodeWav(wavFile({ samples: [0, 0, 0] }), { ...spec, channels: 2, mixDown: true })).toThrow(
      /1 channels, the model reads 2/,
    );
  });

  it('reads a view into a larger buffer', () => {
    const whole = Buffer.concat([Buffer.from('x'), wavFile({ samples: [0, 16_384, -32_768] })]);
    expect([...decodeWav(whole.subarray(1), spec)]).toEqual([0, 0.5, -1]);
  });

  it.each([
    ['another rate', { sampleRate: 16_000, samples: [0, 0, 0] }],
    ['fewer samples', { samples: [0, 0] }],
    ['more samples', { samples: [0, 0, 0, 0] }],
    ['no sample', { samples: [] }],
    ['8-bit PCM', { bits: 8, samples: [0, 0, 0] }],
    ['64-bit floats', { encoding: 'float', bits: 64, samples: [0, 0, 0] }],
    ['a float over 1', { encoding: 'float', bits: 32, samples: [0, 1.5, 0] }],
    ['a NaN', { encoding: 'float', bits: 32, samples: [0, Number.NaN, 0] }],
    ['an infinity', { encoding: 'float', bits: 32, samples: [0, Number.NEGATIVE_INFINITY, 0] }],
  ] as const)('refuses %s as not fitting the model', (_, file) => {
    expect(() => decodeWav(wavFile(file), spec)).toThrow(expect.objectContaining({ code: 'invalid_input' }));
  });

  it('refuses a recording that lasts longer than any that is decoded', () => {
    const long = wavFile({ sampleRate: 1, samples: Array.from({ length: 61 }, () => 0) });
    expect(() => decodeWav(long, spec)).toThrow(expect.objectContaining({ code: 'body_too_large' }));
  });

  it('refuses what is damaged, at every length that it is cut to', () => {
    const file = wavFile({ samples: [0, 16_384, -32_768] });
    for (let length = 0; length < file.length; length++) {
      expect(() => decodeWav(file.subarray(0, length), spec), String(length)).toThrow(
        expect.objectContaining({ code: 'malformed_request' }),
      );
    }
    const fmt = file.subarray(12, 36);
    const data = chunk('data', Buffer.alloc(6));
    const wave = (...chunks: Buffer[]) => chunk('RIFF', Buffer.concat([Buffer.from('WAVE'), ...chunks]));
    const lying = Buffer.from(file);
    lying.writeUInt16LE(4, 32);
    for (const [what, broken] of [
      ['no WAVE', Buffer.from(file).fill('X', 8, 9)],
      ['no format', wave(data)],
      ['no data', wave(fmt)],
      ['two data', wave(fmt, data, data)],
      ['two formats', wave(fmt, fmt, data)],
      ['half a frame', wave(fmt, chunk('data', Buffer.alloc(5)))],
      ['a frame of another size than its samples', lying],
    ] as const) {
      expect(() => decodeWav(broken, spec), what).toThrow(
        expect.objectContaining({ code: 'malformed_request' }),
      );
    }
  });
});

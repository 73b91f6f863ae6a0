import { crc32, deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { writeNpy } from '../../../gpu-worker/datasets/npy.ts';
import { npzArrayNames, readNpz, writeNpz } from '../../../gpu-worker/datasets/npz.ts';
import { GuardError } from '../../../shared/errors.ts';
import type { Tensor } from '../../../shared/maths/tensor.ts';

const x: Tensor = { datatype: 'FP32', shape: [2, 2], data: Float32Array.of(0, 0.25, 0.5, 1) };
const y: Tensor = { datatype: 'INT64', shape: [2], data: BigInt64Array.of(3n, 9n) };

interface Entry {
  readonly name: string;
  readonly content: Uint8Array;
  readonly method?: 0 | 8 | 14;
  /** Unpacked size that the directory claims. */
  readonly claimed?: number;
}

/** Writes a zip file field by field (PKWARE's APPNOTE, 4.3), so that it can lie. */
function zip(entries: readonly Entry[]): Uint8Array {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, content, method = 0, claimed = content.length } of entries) {
    const packed = method === 8 ? deflateRawSync(content) : Buffer.from(content);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(method, 4);
    common.writeUInt32LE(crc32(content), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(claimed, 18);
    common.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, Buffer.from(name), packed]);
    const place = Buffer.alloc(14);
    place.writeUInt32LE(offset, 10);
    directory.push(Buffer.from('PK\x01\x02\x14\x00'), common, place, Buffer.from(name));
    locals.push(local);
    offset += local.length;
  }
  const end = Buffer.alloc(18);
  end.writeUInt16LE(entries.length, 4);
  end.writeUInt16LE(entries.length, 6);
  end.writeUInt32LE(Buffer.concat(directory).length, 8);
  end.writeUInt32LE(offset, 12);
  return new Uint8Array(Buffer.concat([...locals, ...directory, Buffer.from('PK\x05\x06'), end]));
}

describe('npz files', () => {
  it('come back as they were written, and equal arrays give equal bytes', () => {
    const bytes = writeNpz({ x, y });
    expect(readNpz(bytes, { name: 'f', arrays: ['x', 'y', 'z'] })).toEqual({ x, y });
    expect(npzArrayNames(bytes, 'f')).toEqual(['x', 'y']);
    expect(writeNpz({ x, y })).toEqual(bytes);
  });

  it('are read stored and deflated', () => {
    for (const method of [0, 8] as const) {
      const bytes = zip([{ name: 'x.npy', content: writeNpy(x), method }]);
      expect(readNpz(bytes, { name: 'f', arrays: ['x'] })).toEqual({ x });
    }
  });

  it('keep the arrays closed that are not asked for', () => {
    const bytes = zip([
      { name: 'note.npy', content: new TextEncoder().encode('text that is no array') },
      { name: 'x.npy', content: writeNpy(x) },
    ]);
    expect(readNpz(bytes, { name: 'f', arrays: ['x'] })).toEqual({ x });
    expect(() => readNpz(bytes, { name: 'f', arrays: ['note'] })).toThrow(/array note of f is no \.npy/);
  });

  const content = writeNpy(x);
  const honest = zip([{ name: 'x.npy', content, method: 8 }]);
  it.each([
    ['nothing', new Uint8Array(0), /no zip file/],
    ['something else', new TextEncoder().encode('x'.repeat(100)), /no zip file/],
    ['a file that is cut short', honest.subarray(0, honest.length - 30), /no zip file/],
    [
      'more than the entry says',
      zip([{ name: 'x.npy', content, method: 8, claimed: content.length - 8 }]),
      /8 bytes.*says 16/,
    ],
    [
      'less than deflate makes of it',
      zip([{ name: 'x.npy', content, method: 8, claimed: 2 ** 24 }]),
      /more than it can unpack to/,
    ],
    ['4 GB', zip([{ name: 'x.npy', content, method: 8, claimed: 0xfffffff0 }]), /unpacks to more than/],
    [
      'two arrays of one name',
      zip([
        { name: 'x.npy', content },
        { name: 'x.npy', content },
      ]),
      /two entries of the name x\.npy/,
    ],
    ['a compression of its own', zip([{ name: 'x.npy', content, method: 14 }]), /unknown compression type/],
    ['damaged deflation', honest.with(45, 0xff), /damaged one/],
  ])('are refused that hold %s', (_, bytes, message) => {
    const read = () => readNpz(bytes, { name: 'f', arrays: ['x'] });
    expect(read).toThrow(GuardError);
    expect(read).toThrow(message);
  });

  it('are refused with more than 1,024 entries', () => {
    const entries = Array.from({ length: 1025 }, (_, index) => ({ name: `${index}`, content }));
    expect(() => npzArrayNames(zip(entries), 'f')).toThrow(/more than 1024 entries/);
  });
});

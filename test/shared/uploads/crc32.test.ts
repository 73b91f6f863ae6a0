// The checksum of zip files.
import { crc32 as zlibs } from 'node:zlib';
import { expect, it } from 'vitest';
import { crc32 } from '../../../shared/uploads/crc32.ts';
import { patternedBytes } from '../../helpers/upload-fixture.ts';

it('is that of zlib, whole or in parts', () => {
  // The check value of the CRC catalogue, for the nine digits.
  expect(crc32(new TextEncoder().encode('123456789'))).toBe(0xcbf43926);
  expect(crc32(new Uint8Array(0))).toBe(0);
  for (const length of [1, 255, 10_000]) {
    const bytes = patternedBytes(length, length);
    expect(crc32(bytes)).toBe(zlibs(bytes));
    expect(crc32(bytes.subarray(length >> 1), crc32(bytes.subarray(0, length >> 1)))).toBe(zlibs(bytes));
  }
});

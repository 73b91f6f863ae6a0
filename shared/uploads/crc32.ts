// The checksum of zip files.

/** Remainder of each byte, by the reversed polynomial of ISO 3309. */
const table = new Int32Array(256).map((_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) remainder = (remainder >>> 1) ^ (remainder & 1 ? 0xedb88320 : 0);
  return remainder;
});

/**
 * CRC-32 of bytes, or of bytes that follow others.
 * @param before checksum of what came before; 0 where nothing did
 * @returns an unsigned 32-bit number
 * @see ISO 3309; PKWARE, "APPNOTE.TXT", 4.4.7
 */
export function crc32(bytes: Uint8Array, before = 0): number {
  let remainder = ~before;
  for (let index = 0; index < bytes.length; index++) {
    remainder = (remainder >>> 8) ^ table[(remainder ^ bytes[index]) & 0xff];
  }
  return ~remainder >>> 0;
}

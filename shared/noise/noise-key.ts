// The secret that makes a noise bank and selects its rows: a digest in, the same noise out, for nobody else.
import { GuardError } from '../errors.ts';

const encoder = new TextEncoder();
/** Bytes of the secret: as many as HMAC-SHA256 puts out (RFC 2104, section 3). */
export const noiseKeyBytes = 32;

/** An imported secret. `id` names it in audits and gives nothing of it away. */
export interface NoiseKey {
  readonly id: string;
  readonly hmac: Awaited<ReturnType<typeof crypto.subtle.importKey>>;
}

/**
 * Imports a secret.
 * @param secret 32 bytes
 * @throws GuardError `invalid_config` where it has another length
 */
export async function importNoiseKey(secret: Uint8Array): Promise<NoiseKey> {
  if (secret.length !== noiseKeyBytes) {
    throw new GuardError(
      'invalid_config',
      `the noise key has ${secret.length} bytes instead of ${noiseKeyBytes}`,
    );
  }
  const algorithm = { name: 'HMAC', hash: 'SHA-256' };
  const hmac = await crypto.subtle.importKey('raw', new Uint8Array(secret), algorithm, false, ['sign']);
  const name = await crypto.subtle.sign('HMAC', hmac, encoder.encode('nccr-guard/key-id/v1'));
  return { id: toHex(new Uint8Array(name, 0, 8)), hmac };
}

/**
 * Imports a secret from 64 hexadecimal digits, as environment variables and key files hold it.
 * @throws GuardError `invalid_config` where the text is not that
 */
export async function importNoiseKeyHex(text: string): Promise<NoiseKey> {
  const digits = text.trim();
  if (!/^[0-9a-fA-F]{64}$/.test(digits)) {
    throw new GuardError('invalid_config', 'the noise key must be 64 hexadecimal digits');
  }
  return importNoiseKey(Uint8Array.from(digits.match(/../g)!, (pair) => Number.parseInt(pair, 16)));
}

/**
 * A stream of bytes that only the key's holder can compute (HMAC-SHA256 in counter mode, NIST SP 800-108).
 * @param label separates uses of one key
 * @param context what the bytes belong to, such as the digest of an input
 * @returns [length] bytes
 */
export async function keyedBytes(
  key: NoiseKey,
  { label, context, length }: { label: string; context: Uint8Array; length: number },
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  const prefix = encoder.encode(`${label}\0`);
  for (let block = 0; block * 32 < length; block++) {
    const message = new Uint8Array(prefix.length + context.length + 4);
    message.set(prefix);
    message.set(context, prefix.length);
    new DataView(message.buffer).setUint32(prefix.length + context.length, block);
    const mac = new Uint8Array(await crypto.subtle.sign('HMAC', key.hmac, message));
    bytes.set(mac.subarray(0, Math.min(32, length - block * 32)), block * 32);
  }
  return bytes;
}

/** Lower-case hexadecimal digits of bytes. */
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** SHA-256 of bytes as the contracts write it: `sha256:` and 64 hexadecimal digits. */
export async function sha256Digest(bytes: Uint8Array): Promise<string> {
  return `sha256:${toHex(await sha256(bytes))}`;
}

/** SHA-256 of bytes. */
export async function sha256(bytes: Uint8Array): Promise<Uint8Array> {
  // A view of a larger buffer is digested as the view alone.
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>));
}

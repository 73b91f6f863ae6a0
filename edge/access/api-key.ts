// What an API key looks like: `ncg_`, its id in the clear, `_`, and 256 random bits that are told once.
import { sha256, toHex } from '../../shared/noise/noise-key.ts';
import { timedUuid } from '../clients/timed-uuid.ts';

/** Begins every key, so that people and scanners of source code know one when they see it. */
export const apiKeyPrefix = 'ncg_';

const keyPattern = /^ncg_([0-9a-f]{32})_([A-Za-z0-9_-]{43})$/;

/** A key as its holder shows it, taken apart. */
export interface ShownApiKey {
  /** `key_…`: the row that it claims to be. */
  readonly id: string;
  readonly secret: string;
}

/** Makes a key; ids sort by the time at which they were made. */
export function newApiKey(now: number): ShownApiKey & { readonly key: string } {
  const digits = timedUuid(now).replaceAll('-', '');
  const secret = base64Url(crypto.getRandomValues(new Uint8Array(32)));
  return { id: `key_${digits}`, secret, key: `${apiKeyPrefix}${digits}_${secret}` };
}

/** Takes a key apart; undefined where a text is none. */
export function readApiKey(text: string): ShownApiKey | undefined {
  const match = keyPattern.exec(text);
  return match === null ? undefined : { id: `key_${match[1]}`, secret: match[2] };
}

/** Whether a text can be the id of a key. */
export function isApiKeyId(text: string): boolean {
  return /^key_[0-9a-f]{32}$/.test(text);
}

/**
 * What is kept of a secret: one SHA-256, in hexadecimal digits. A slow hash with a salt makes guessing dear where secrets are few, as
 * people's passwords are; of 256 random bits there are too many to guess at any speed and no two alike, so that it would only
 * make each request dearer, and let anybody burn the edge's time with wrong keys.
 */
export async function secretDigest(secret: string): Promise<string> {
  return toHex(await sha256(new TextEncoder().encode(secret)));
}

/** Whether a secret is that of a kept digest. All digits are compared, so that the time says nothing about where they differ. */
export async function matchesDigest(secret: string, kept: string): Promise<boolean> {
  const shown = await secretDigest(secret);
  let difference = kept.length ^ shown.length;
  for (let index = 0; index < shown.length; index++) {
    difference |= shown.charCodeAt(index) ^ kept.charCodeAt(index);
  }
  return difference === 0;
}

function base64Url(bytes: Uint8Array): string {
  const text = btoa(String.fromCharCode(...bytes));
  return text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

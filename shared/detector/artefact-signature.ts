// Signs detector artefacts and checks their signatures: Ed25519 over the canonical JSON of everything else in the file.
import canonicalize from 'canonicalize';
import type { z } from 'zod';
import type {
  ArtefactSignature,
  DetectorArtefact,
  detectorArtefactSchema,
} from '../contracts/detector-artefact.ts';
import { GuardError } from '../errors.ts';
import { sha256, toHex } from '../noise/noise-key.ts';

const algorithm = 'Ed25519';
/** Bytes of a raw Ed25519 public key (RFC 8032, section 5.1.5). */
const publicKeyBytes = 32;

/** An artefact as its file has it: members that have a default may be absent. */
export type StoredArtefact = z.input<typeof detectorArtefactSchema>;

/** A public key under which artefacts are believed. */
export interface ArtefactPublicKey {
  /** First 8 bytes of the SHA-256 of the raw key, hexadecimal. */
  readonly id: string;
  readonly key: Awaited<ReturnType<typeof crypto.subtle.importKey>>;
}

/**
 * Imports a public key.
 * @param base64 32 raw bytes
 * @throws GuardError `invalid_config` where it is no such key
 */
export async function importArtefactPublicKey(base64: string): Promise<ArtefactPublicKey> {
  const raw = fromBase64(base64);
  if (raw?.length !== publicKeyBytes) {
    throw new GuardError('invalid_config', `an artefact key is ${publicKeyBytes} bytes in base64`);
  }
  const key = await crypto.subtle.importKey('raw', raw, algorithm, false, ['verify']);
  return { id: await keyId(raw), key };
}

/**
 * Signs an artefact.
 * @param privateKey PKCS #8 bytes of an Ed25519 key
 * @param publicKey the 32 raw bytes that belong to it
 * @returns the artefact with its signature; a former one is replaced
 */
export async function signArtefact(
  artefact: DetectorArtefact,
  { privateKey, publicKey }: { privateKey: Uint8Array<ArrayBuffer>; publicKey: Uint8Array<ArrayBuffer> },
): Promise<DetectorArtefact> {
  const key = await crypto.subtle.importKey('pkcs8', privateKey, algorithm, false, ['sign']);
  const value = new Uint8Array(await crypto.subtle.sign(algorithm, key, signedBytes(artefact)));
  const signature: ArtefactSignature = {
    algorithm: 'ed25519',
    key_id: await keyId(publicKey),
    value: btoa(String.fromCharCode(...value)),
  };
  return { ...artefact, signature };
}

/**
 * Checks the signature of an artefact.
 * @param artefact as its file has it: a member that parsing would fill in was not signed
 * @throws GuardError `invalid_artefact` where it has none, is of another key, or was changed after it was signed
 */
export async function verifyArtefact(artefact: StoredArtefact, trusted: ArtefactPublicKey): Promise<void> {
  const { signature } = artefact;
  if (signature === undefined) throw new GuardError('invalid_artefact', 'the artefact is not signed');
  if (signature.key_id !== trusted.id) {
    const detail = `the artefact is signed with the key ${signature.key_id}, trusted is ${trusted.id}`;
    throw new GuardError('invalid_artefact', detail);
  }
  const value = fromBase64(signature.value);
  const holds =
    value !== undefined && (await crypto.subtle.verify(algorithm, trusted.key, value, signedBytes(artefact)));
  if (!holds) throw new GuardError('invalid_artefact', 'the artefact was changed after it was signed');
}

/** What a signature covers (RFC 8785, JSON Canonicalization Scheme). */
function signedBytes(artefact: StoredArtefact): Uint8Array<ArrayBuffer> {
  const { signature: _, ...rest } = artefact;
  const text = canonicalize(rest);
  if (text === undefined) throw new GuardError('invalid_artefact', 'the artefact has no canonical form');
  return new TextEncoder().encode(text);
}

async function keyId(raw: Uint8Array): Promise<string> {
  return toHex((await sha256(raw)).subarray(0, 8));
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(text.trim()), (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}

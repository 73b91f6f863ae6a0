// Signs artefacts with an Ed25519 key in a PEM file that only its owner reads; the options that name the file.
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import type { DetectorArtefact } from '../../shared/contracts/detector-artefact.ts';
import { importArtefactPublicKey, signArtefact } from '../../shared/detector/artefact-signature.ts';
import { GuardError } from '../../shared/errors.ts';
import { readInput } from './read-file.ts';
import { writeWhole } from './write-file.ts';

/** Where the keys of a signature lie, as options spell it. */
export interface SigningOptions {
  readonly signingKey?: string;
  readonly publicKeyOut?: string;
}

/** A private key, and its file: not yet written where the key was made just now. */
export interface ArtefactSigner {
  /** What a verifier is told: the public key, 32 raw bytes in base64, and its id. */
  readonly summary: { readonly public_key: string; readonly key_id: string };
  /** The same for a person, with where a new key lies. */
  readonly lines: readonly string[];
  sign(artefact: DetectorArtefact): Promise<DetectorArtefact>;
  /** Writes a new private key, for its owner's eyes alone, and the public one where that was asked for. */
  keep(): Promise<void>;
}

const keyOption = '--signing-key <file>';
const keyDescription = 'Ed25519 private key (PKCS #8, PEM) that signs the artefact; made where there is none';

/** Adds the options that name the keys; the private one must be given where `required` says so. */
export function addSigningOptions(command: Command, { required }: { required: boolean }): Command {
  const named = required
    ? command.requiredOption(keyOption, keyDescription)
    : command.option(keyOption, keyDescription);
  return named.option('--public-key-out <file>', 'write the public key, 32 bytes in base64, to a file');
}

/**
 * Opens the signer that the options name; undefined where they name none.
 * @throws GuardError as {@link openArtefactSigner}
 */
export async function signerOfOptions(
  { signingKey, publicKeyOut }: SigningOptions,
  command: Command,
): Promise<ArtefactSigner | undefined> {
  if (signingKey !== undefined) return openArtefactSigner(signingKey, publicKeyOut);
  if (publicKeyOut !== undefined) command.error('error: --public-key-out needs --signing-key');
  return undefined;
}

/**
 * Opens the signer of a key file, or makes a random key for it where there is none.
 * @param publicKeyOut file for the public key
 * @throws GuardError `invalid_config` where the file holds something else than such a key
 */
export async function openArtefactSigner(
  path: string,
  publicKeyOut: string | undefined,
): Promise<ArtefactSigner> {
  const isNew = !existsSync(path);
  const key = isNew
    ? generateKeyPairSync('ed25519').privateKey
    : readPrivateKey(path, (await readInput(path)).toString('utf8'));
  const privateKey = new Uint8Array(key.export({ format: 'der', type: 'pkcs8' }));
  const publicKey = rawPublicKey(key);
  const base64 = Buffer.from(publicKey).toString('base64');
  const { id } = await importArtefactPublicKey(base64);
  return {
    summary: { public_key: base64, key_id: id },
    lines: [
      ...(isNew ? [`made a new signing key in ${path}: keep it secret`] : []),
      `signed with the key ${id}, public key ${base64}`,
    ],
    sign: (artefact) => signArtefact(artefact, { privateKey, publicKey }),
    keep: async () => {
      if (isNew) await writeWhole(path, key.export({ format: 'pem', type: 'pkcs8' }), 0o600);
      if (publicKeyOut !== undefined) await writeWhole(publicKeyOut, `${base64}\n`);
    },
  };
}

function readPrivateKey(path: string, pem: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (cause) {
    throw new GuardError('invalid_config', `${path} holds no private key in PEM`, { cause });
  }
  if (key.asymmetricKeyType === 'ed25519') return key;
  throw new GuardError('invalid_config', `${path} holds a key of ${key.asymmetricKeyType}, not of ed25519`);
}

/** The 32 bytes that its DER form ends with (RFC 8410, section 4). */
function rawPublicKey(privateKey: KeyObject): Uint8Array<ArrayBuffer> {
  const der = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  return new Uint8Array(der.subarray(-32));
}

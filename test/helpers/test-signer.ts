// Ed25519 keys of the tests, made anew in each process: the one that the tested edges trust, and others.
import { generateKeyPairSync } from 'node:crypto';

/** A pair of raw keys, as shared/detector/artefact-signature.ts takes them, and the public one as the edge is told it. */
export interface TestSigner {
  /** PKCS #8 bytes. */
  readonly privateKey: Uint8Array<ArrayBuffer>;
  /** 32 raw bytes. */
  readonly publicKey: Uint8Array<ArrayBuffer>;
  readonly publicKeyBase64: string;
}

/** Makes a pair. */
export function makeTestSigner(): TestSigner {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  // The raw key is the end of its DER form (RFC 8410, section 4).
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
  return {
    privateKey: new Uint8Array(privateKey.export({ format: 'der', type: 'pkcs8' })),
    publicKey: new Uint8Array(raw),
    publicKeyBase64: raw.toString('base64'),
  };
}

/** The pair that detector fixtures are signed with unless a test says otherwise. */
export const testSigner = makeTestSigner();

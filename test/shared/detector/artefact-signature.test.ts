import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { detectorArtefactSchema } from '../../../shared/contracts/detector-artefact.ts';
import {
  importArtefactPublicKey,
  signArtefact,
  verifyArtefact,
} from '../../../shared/detector/artefact-signature.ts';

const file = new URL('../../../gpu-worker/demo/assets/mnist-lenet5.detector.json', import.meta.url);
const artefact = detectorArtefactSchema.parse(JSON.parse(readFileSync(file, 'utf8')));

function keyPair() {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return {
    privateKey: new Uint8Array(privateKey.export({ format: 'der', type: 'pkcs8' })),
    // The raw key is the end of its DER form (RFC 8410, section 4).
    publicKey: new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)),
  };
}

describe('signed artefacts', async () => {
  const [ours, theirs] = [keyPair(), keyPair()];
  const trusted = await importArtefactPublicKey(Buffer.from(ours.publicKey).toString('base64'));
  const signed = await signArtefact(artefact, ours);

  it('are believed under the key that signed them, however their members are ordered', async () => {
    await expect(verifyArtefact(signed, trusted)).resolves.toBeUndefined();
    const turned = Object.fromEntries(Object.entries(signed).reverse());
    await expect(verifyArtefact(detectorArtefactSchema.parse(turned), trusted)).resolves.toBeUndefined();
    const copied = detectorArtefactSchema.parse(JSON.parse(JSON.stringify(signed)));
    await expect(verifyArtefact(copied, trusted)).resolves.toBeUndefined();
  });

  it('are refused where a number was changed', async () => {
    const threshold = { ...signed.threshold, value: signed.threshold.value + 1e-9 };
    await expect(verifyArtefact({ ...signed, threshold }, trusted)).rejects.toThrow(
      /changed after it was signed/,
    );
  });

  it('are refused without a signature, under another key and with a broken one', async () => {
    const { signature, ...unsigned } = signed;
    await expect(verifyArtefact(unsigned, trusted)).rejects.toThrow(/not signed/);
    await expect(verifyArtefact(await signArtefact(artefact, theirs), trusted)).rejects.toThrow(/trusted is/);
    const broken = { ...signature!, value: 'AAAA' };
    await expect(verifyArtefact({ ...signed, signature: broken }, trusted)).rejects.toThrow(/changed after/);
  });

  it('need a key of 32 bytes', async () => {
    for (const key of ['', 'AAAA', '***'])
      await expect(importArtefactPublicKey(key)).rejects.toThrow(/32 bytes/);
  });
});

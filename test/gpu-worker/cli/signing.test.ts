// Signing on the command line: keys for their owner alone, artefacts that cannot be changed unseen.
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { copyFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { detectorArtefactSchema } from '../../../shared/contracts/detector-artefact.ts';
import { nccrGuard } from '../../helpers/command-line.ts';

const root = join(import.meta.dirname, '../../..');
const assets = join(root, 'gpu-worker/demo/assets');
const lenet = join(assets, 'mnist-lenet5.onnx');

const detector = (...args: string[]) => nccrGuard('detector', ...args);

let folder: string;
const file = (name: string) => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'signing-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** A copy of the demo's artefact that nobody signed. */
async function unsigned(name: string): Promise<string> {
  const { signature: _, ...rest } = await readJson(join(assets, 'mnist-lenet5.detector.json'));
  await writeFile(file(name), JSON.stringify(rest));
  return file(name);
}

async function readJson(path: string) {
  return detectorArtefactSchema.parse(JSON.parse(await readFile(path, 'utf8')));
}

describe('detector sign', () => {
  it('makes a key for its owner alone, signs in place, and the printed public key verifies', async () => {
    const artefact = await unsigned('a.json');
    const before = await readJson(artefact);
    const run = await detector('sign', artefact, '--signing-key', file('a.pem'), '--json');
    expect(run.code, run.stderr).toBe(0);
    const { public_key: publicKey, key_id: keyId } = JSON.parse(run.stdout);
    expect((await stat(file('a.pem'))).mode & 0o777).toBe(0o600);
    // Another implementation of the raw public key: its JWK form (RFC 8037, section 2).
    const pem = await readFile(file('a.pem'), 'utf8');
    const { x } = createPublicKey(createPrivateKey(pem)).export({ format: 'jwk' });
    expect(Buffer.from(publicKey, 'base64').toString('base64url')).toBe(x);
    const { signature, ...rest } = await readJson(artefact);
    expect(rest).toEqual(before);
    expect(signature).toMatchObject({ algorithm: 'ed25519', key_id: keyId });
    const verified = await detector('verify', artefact, '--public-key', publicKey, '--json');
    expect(JSON.parse(verified.stdout)).toEqual({ key_id: keyId, model: before.model });
    expect((await readdir(folder)).filter((name) => name.endsWith('.part'))).toEqual([]);
  });

  it('signs with the key that is there, says it in words, and writes the public key where it is told', async () => {
    const artefact = await unsigned('b.json');
    const args = ['sign', artefact, '--signing-key', file('b.pem')];
    const first = await detector(...args);
    expect(first.stdout).toMatch(/made a new signing key in .*b\.pem: keep it secret/);
    const key = await readFile(file('b.pem'), 'utf8');
    const second = await detector(...args, '--public-key-out', file('b.pub'));
    expect(second.stdout).not.toContain('made a new');
    const publicKey = (await readFile(file('b.pub'), 'utf8')).trim();
    expect(second.stdout).toMatch(/signed with the key [0-9a-f]{16}, public key /);
    expect(second.stdout).toContain(publicKey);
    expect(await readFile(file('b.pem'), 'utf8')).toBe(key);
    expect((await detector('verify', artefact, '--public-key', publicKey)).stdout).toMatch(
      /is as it was signed .*\nfor the model mnist-lenet5, sha256:[0-9a-f]{64}/,
    );
  });

  it('leaves no key and no changed file where it fails', async () => {
    const absent = await detector('sign', file('nowhere.json'), '--signing-key', file('c.pem'));
    expect(absent).toMatchObject({ code: 1, stderr: expect.stringMatching(/there is no such file/) });
    await writeFile(file('c.json'), '{"format": "nccr-guard/detector"}');
    const broken = await detector('sign', file('c.json'), '--signing-key', file('c.pem'));
    expect(broken).toMatchObject({ code: 1, stderr: expect.stringMatching(/c\.json: format_version/) });
    expect(await readFile(file('c.json'), 'utf8')).toBe('{"format": "nccr-guard/detector"}');
    expect(await readdir(folder)).not.toContain('c.pem');
    expect(await detector('sign', file('c.json'))).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/--signing-key/),
    });
  });

  it('refuses a file that holds no Ed25519 key, and leaves it and the artefact as they are', async () => {
    const artefact = await unsigned('d.json');
    const before = await readFile(artefact);
    const rsa = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const wrong = { 'text.pem': 'no key\n', 'ec.pem': String(rsa.export({ format: 'pem', type: 'pkcs8' })) };
    for (const [name, text] of Object.entries(wrong)) {
      await writeFile(file(name), text);
      const run = await detector('sign', artefact, '--signing-key', file(name));
      expect(run).toMatchObject({ code: 1, stderr: expect.stringMatching(/no private key|key of ec/) });
      expect(await readFile(file(name), 'utf8')).toBe(text);
    }
    expect(await readFile(artefact)).toEqual(before);
  });
});

describe('detector verify', () => {
  const demoKey = async () => (await readFile(join(assets, 'artefact-public-key.txt'), 'utf8')).trim();
  const demo = join(assets, 'mnist-lenet5.detector.json');

  it('confirms the demo’s detector under the key beside it', async () => {
    const run = await detector('verify', demo, '--public-key', await demoKey());
    expect(run.code, run.stderr).toBe(0);
  });

  it('refuses a changed number, another model, an unsigned artefact, another key and no key', async () => {
    const publicKey = await demoKey();
    const verify = (path: string, key = publicKey) => detector('verify', path, '--public-key', key);
    await copyFile(demo, file('e.json'));
    const text = await readFile(demo, 'utf8');
    const changes: [RegExp, string][] = [
      [/"value": -?\d+\.\d/, '"value": 99.5'],
      [/"digest": "sha256:./, '"digest": "sha256:f'],
    ];
    for (const [what, by] of changes) {
      const changed = text.replace(what, by);
      expect(changed).not.toBe(text);
      await writeFile(file('e.json'), changed);
      const run = await verify(file('e.json'));
      expect(run).toMatchObject({ code: 1, stderr: expect.stringMatching(/changed after it was signed/) });
    }
    expect((await verify(await unsigned('f.json'))).stderr).toMatch(/not signed/);
    // The public key of RFC 8032, section 7.1, test 1.
    const other = await verify(demo, '11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=');
    expect(other).toMatchObject({ code: 1, stderr: expect.stringMatching(/trusted is/) });
    const none = await verify(demo, 'none');
    expect(none).toMatchObject({ code: 1, stderr: expect.stringMatching(/32 bytes in base64/) });
  });
});

describe('detector calibrate', () => {
  const calibrate = (...args: string[]) =>
    detector('calibrate', lenet, '--name', 'digits', '--dataset', 'synthetic-digits:100', ...args);

  it('signs what it made, keeps the new key and writes the public one', async () => {
    const out = file('made.json');
    const keys = ['--signing-key', file('made.pem'), '--public-key-out', file('made.pub')];
    const small = ['--vector', 'rank-gaps', '--copies', '2', '--images', '60'];
    const run = await calibrate(...small, '--out', out, ...keys, '--json');
    expect(run.code, run.stderr).toBe(0);
    const publicKey = (await readFile(file('made.pub'), 'utf8')).trim();
    expect(JSON.parse(run.stdout).signing).toMatchObject({ public_key: publicKey });
    expect((await stat(file('made.pem'))).mode & 0o777).toBe(0o600);
    expect((await detector('verify', out, '--public-key', publicKey)).code).toBe(0);
  });

  it('keeps no key where it fails, and wants a key to write the public one', async () => {
    const failed = await calibrate(
      '--images',
      '500',
      '--out',
      file('g.json'),
      '--signing-key',
      file('g.pem'),
    );
    expect(failed).toMatchObject({ code: 1, stderr: expect.stringMatching(/500 images are asked for/) });
    expect(await readdir(folder)).not.toContain('g.pem');
    const keyless = await calibrate('--out', file('g.json'), '--public-key-out', file('g.pub'));
    expect(keyless).toMatchObject({ code: 2, stderr: expect.stringMatching(/needs --signing-key/) });
  });
});

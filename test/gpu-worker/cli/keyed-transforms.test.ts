import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { detectorArtefactSchema } from '../../../shared/contracts/detector-artefact.ts';
import { lenetFile, nccrGuard } from '../../helpers/command-line.ts';

describe('a detector whose transforms a key draws', () => {
  let folder: string;
  const file = (name: string) => join(folder, name);
  const detector = (text: string) => nccrGuard('detector', ...text.split(' '));
  const calibrate = (more: string) =>
    detector(
      `calibrate ${lenetFile} --name digits --dataset synthetic-digits:120 --images 120 --out ${file('detector.json')} ${more}`,
    );
  const evaluate = (more: string) =>
    detector(
      `evaluate ${lenetFile} --detector ${file('detector.json')} --dataset synthetic-digits:40 --images 40 --attack fgsm-fixed --json${more}`,
    );

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keyed-'));
    await writeFile(file('key'), `${'5a'.repeat(32)}\n`);
    await writeFile(file('other'), `${'5b'.repeat(32)}\n`);
    const made = await calibrate(`--keyed-transforms ${file('key')} --budgets 0.3`);
    expect(made.code, made.stderr).toBe(0);
  }, 120_000);
  afterAll(() => rm(folder, { recursive: true }));

  it('says which key, and not how it draws', async () => {
    const text = await readFile(file('detector.json'), 'utf8');
    const { plan } = detectorArtefactSchema.parse(JSON.parse(text));
    expect(plan.transforms_key_id).toMatch(/^[0-9a-f]{16}$/);
    // As the preset lists it, not as it is drawn.
    expect(plan.transforms).toContainEqual({ family: 'total-variation', weight: 0.3, iterations: 8 });
  });

  it('is evaluated under this key and no other', async () => {
    const known = await evaluate(` --noise-key ${file('key')}`);
    expect(known.code, known.stderr).toBe(0);
    expect(JSON.parse(known.stdout).attacks[0].auroc).toBeGreaterThan(0.5);
    const without = await evaluate('');
    expect(without).toMatchObject({ code: 1, stderr: expect.stringContaining('--noise-key') });
    const other = await evaluate(` --noise-key ${file('other')}`);
    expect(other).toMatchObject({ code: 1, stderr: expect.stringContaining('drawn by the noise key') });
  }, 120_000);

  it('needs a vector that reads transforms', async () => {
    const refused = await calibrate(`--vector rank-gaps --keyed-transforms ${file('key')}`);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('no transforms') });
  });
});

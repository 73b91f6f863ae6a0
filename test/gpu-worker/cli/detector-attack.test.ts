import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { reportText } from '../../../gpu-worker/cli/detector-attack.ts';
import type { GuardAttackReport } from '../../../gpu-worker/evaluate/guard-attack.ts';
import { detectorArtefactSchema } from '../../../shared/contracts/detector-artefact.ts';
import { nccrGuard } from '../../helpers/command-line.ts';

const root = join(import.meta.dirname, '../../..');
const assets = join(root, 'gpu-worker/demo/assets');
const lenet = join(assets, 'mnist-lenet5.onnx');

const attack = (model: string, ...args: string[]) => nccrGuard('detector', 'attack', model, ...args);

describe('detector attack', () => {
  let folder: string;
  let detector: string;
  const small = [
    '--dataset',
    'synthetic-digits:8',
    '--images',
    '8',
    '--steps',
    '6',
    '--draws',
    '2',
    '--queries',
    '10',
  ];
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'attack-'));
    detector = join(folder, 'detector.json');
    await copyFile(join(assets, 'mnist-lenet5.detector.json'), detector);
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('prints the report, writes it, and writes the card in place of the signature', async () => {
    const stored = JSON.parse(await readFile(detector, 'utf8'));
    expect(stored).toHaveProperty('signature');
    const out = join(folder, 'report.json');
    const args = [
      '--detector',
      detector,
      ...small,
      '--budgets',
      '0.3',
      '--out',
      out,
      '--json',
      '--write-card',
    ];
    const made = await attack(lenet, ...args);
    expect(made.code, made.stderr).toBe(0);
    const report: GuardAttackReport = JSON.parse(made.stdout);
    expect(JSON.parse(await readFile(out, 'utf8'))).toEqual(report);
    const written = JSON.parse(await readFile(detector, 'utf8'));
    const { card, ...rest } = written;
    const { signature: _, card: former, ...unsigned } = stored;
    expect(rest).toEqual(unsigned);
    expect(card).not.toEqual(former);
    expect(detectorArtefactSchema.parse(written).card).toEqual(card);
    expect(card.budgets[0].effective_accuracy).toBe(report.budgets[0].guarded.worst_effective_accuracy);
    expect(made.stderr).toMatch(/sign it anew/);
  });

  it('refuses the artefact of another model, and writes nothing', async () => {
    const other = join(folder, 'other.onnx');
    await writeFile(other, 'not the model');
    const before = await readdir(folder);
    const out = join(folder, 'none.json');
    const run = await attack(other, '--detector', detector, ...small, '--out', out);
    expect(run).toMatchObject({ code: 1, stderr: expect.stringMatching(/was made for the model sha256:/) });
    expect(await readdir(folder)).toEqual(before);
  });

  it('refuses budgets that do not rise', async () => {
    const run = await attack(lenet, '--detector', detector, ...small, '--budgets', '0.2,0.1');
    expect(run).toMatchObject({ code: 2, stderr: expect.stringMatching(/rising numbers/) });
  });
});

describe('the report for a person', () => {
  const outcome = (attack_: string, accuracy: number) => ({
    attacks: [{ attack: attack_, effective_accuracy: accuracy }],
    worst_attack: attack_,
    worst_effective_accuracy: accuracy,
  });
  const report: GuardAttackReport = {
    detector: { name: 'nccr', version: '1', model: 'm' },
    dataset: { name: 'digits', images: 4, digest: '' },
    parameters: { steps: 1, draws: 2, queries: 3, seed: 4, slack: 0.1, confidence: 1 },
    clean: { accuracy: 1, effective_accuracy: 1, blocked: 0.25 },
    budgets: [{ epsilon: 0.3, bare: outcome('pgd', 0), guarded: outcome('adaptive-known', 0.25) }],
    never_succeeded: ['guarded square'],
    masking: [{ flag: 'zero-gradients', raised: true, detail: 'in 50.0 % of the steps' }],
  };

  it('has the worst case on top, what never succeeded, and the signs of masking', () => {
    const text = reportText(report);
    expect(text).toMatch(/^nccr 1 .*\neffective accuracy at 0.3: 25.0 % with the guard, 0.0 % without/);
    expect(text).toMatch(/blocks 25.0 % of the clean images/);
    expect(text).toMatch(/never succeeded: guarded square/);
    expect(text).toMatch(/sign of gradient masking: zero-gradients \(in 50.0 % of the steps\)/);
    const sound = reportText({ ...report, never_succeeded: [], masking: [] });
    expect(sound).toMatch(/every attack succeeded somewhere\nno sign of gradient masking$/);
    const checked = reportText({ ...report, trigger_check: 'not attacked' });
    expect(checked).toMatch(/\nthe trigger check is not attacked: these figures are of the detector alone$/);
  });
});

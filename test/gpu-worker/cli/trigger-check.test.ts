// A detector with a trigger check from the command line: calibrated, compiled, and what refuses it.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCompiledModel } from '../../../gpu-worker/extraction/compile-model.ts';
import { detectorArtefactSchema } from '../../../shared/contracts/detector-artefact.ts';
import { loadTriggerCheck } from '../../../shared/detector/trigger-check.ts';
import { lenetFile, nccrGuard } from '../../helpers/command-line.ts';

describe('detector calibrate --trigger-check', () => {
  let folder: string;
  const file = (name: string) => join(folder, name);
  const calibrate = (...args: readonly string[]) => {
    const source = ['--dataset', 'synthetic-digits:120', '--images', '120', '--target-fpr', '0.1'];
    const design = ['--vector', 'rank-gaps', '--copies', '2'];
    return nccrGuard('detector', 'calibrate', lenetFile, '--name', 'digits', ...source, ...design, ...args);
  };
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'nccr-guard-trigger-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('adds the check to the artefact, with a promise of its own, and its tap to the compiled graph', async () => {
    const made = await calibrate('--trigger-check', '--out', file('d.json'));
    expect(made.code, made.stderr).toBe(0);
    expect(made.stdout).toMatch(/trigger check: distance over .* false positive rate of 10 % of its own/);
    const artefact = detectorArtefactSchema.parse(JSON.parse(await readFile(file('d.json'), 'utf8')));
    const { gaussian, threshold } = loadTriggerCheck(artefact, artefact.trigger_check!);
    expect(gaussian.neurons).toBe(84);
    expect(threshold).toMatchObject({ target_fpr: 0.1, calibration_samples: 60 });
    expect(artefact.sequential).toBeUndefined();
    const options = ['--name', 'digits', '--detector', file('d.json'), '--noise-key', file('k.key')];
    const compiled = await nccrGuard('model', 'compile', lenetFile, ...options, '--out', file('m.onnx'));
    expect(compiled.code, compiled.stderr).toBe(0);
    const { plan } = readCompiledModel(await readFile(file('m.onnx')));
    expect(plan.taps).toMatchObject([{ kind: 'activations', neurons: 84 }]);
  }, 240_000);

  it('is evaluated on clean images, and an attack says that it leaves it out', async () => {
    const on = [lenetFile, '--detector', file('d.json'), '--dataset', 'synthetic-digits:100'];
    const report = ['--images', '60', '--attack', 'fgsm', '--out', file('report.json')];
    const evaluated = await nccrGuard('detector', 'evaluate', ...on, ...report);
    expect(evaluated.code, evaluated.stderr).toBe(0);
    expect(evaluated.stdout).toMatch(
      /trigger check: by itself refuses .* of the clean images, target 10.0 %/,
    );
    const { trigger_check: check } = JSON.parse(await readFile(file('report.json'), 'utf8'));
    expect(check.target_fpr).toBe(0.1);
    expect(check.fpr).toBeGreaterThanOrEqual(check.fpr_interval[0]);
    expect(check.fpr).toBeLessThanOrEqual(check.fpr_interval[1]);
    const short = '--images 3 --budgets 0.4 --steps 3 --draws 1 --queries 2'.split(' ');
    const attacked = await nccrGuard('detector', 'attack', ...on, ...short);
    expect(attacked.code, attacked.stderr).toBe(0);
    expect(attacked.stdout).toContain('the trigger check is not attacked');
  }, 240_000);

  it('does not go with an automatic choice, which has no plan of its own yet', async () => {
    const refused = await calibrate('--trigger-check', '--auto', '--out', file('auto.json'));
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringMatching(/cannot be used with/) });
  });
});

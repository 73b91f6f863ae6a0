import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { calibrateDetector } from '../../../gpu-worker/calibrate/calibrate-detector.ts';
import { type DetectorWork, openDetectorWork } from '../../../gpu-worker/cli/detector-work.ts';
import type { Dataset } from '../../../gpu-worker/datasets/dataset.ts';
import { loadIdxFolder } from '../../../gpu-worker/datasets/idx.ts';
import { evaluateDetector } from '../../../gpu-worker/evaluate/evaluate-detector.ts';
import type { DetectorArtefact } from '../../../shared/contracts/detector-artefact.ts';
import { sharedFolder } from '../../helpers/shared-folder.ts';

// A slice of what docs/results.md reports in full: the targets and their tolerance are those of the design.
describe.skipIf(sharedFolder === undefined)('detection on MNIST (needs ../shared/data/mnist)', () => {
  const options = {
    design: 'rank-gaps' as const,
    targetFpr: 0.05,
    budgets: [0.1, 0.2, 0.3],
    seed: 3,
    version: '0.0.0',
    createdAt: new Date(0),
  };
  const plan = {
    input_range: [0, 1] as [number, number],
    noise: [{ family: 'gaussian' as const, epsilon: 0.3, rows: 256, copies: 4 }],
    transforms: [],
    taps: [],
  };
  let work: DetectorWork;
  let [train, test]: Dataset[] = [];
  let artefact: DetectorArtefact;
  const calibrate = (images: number) =>
    calibrateDetector({ ...work, dataset: train }, { ...options, images }, () => {});
  beforeAll(async () => {
    const model = await readFile(`${sharedFolder}models/mnist-lenet5.onnx`);
    work = await openDetectorWork(model, { name: 'mnist-lenet5', plan, seed: 3 });
    train = await loadIdxFolder(`${sharedFolder}data/mnist`, 'train');
    test = await loadIdxFolder(`${sharedFolder}data/mnist`, 'test');
    artefact = await calibrate(400);
  }, 300_000);
  afterAll(() => work.close());

  it('tells smallest-epsilon FGSM and PGD from clean digits, and keeps its false positive rate', async () => {
    const report = await evaluateDetector(
      { artefact, ...work, dataset: test },
      { images: 200, seed: 4, attacks: ['fgsm', 'pgd', 'pgd-fixed'], epsilon: 0.3 },
      () => {},
    );
    const [fgsm, pgd, fixed] = report.attacks;
    expect(fgsm.auroc).toBeGreaterThan(1 - 0.004);
    expect(pgd.auroc).toBeGreaterThan(1 - 0.004);
    expect(fgsm.auroc_margin).toBeGreaterThan(1 - 0.003);
    // The negative control and the honest row: what this detector is not to be trusted with.
    expect(pgd.auroc_l2).toBeLessThan(0.85);
    expect(fixed.auroc).toBeLessThan(0.75);
    expect(report.fpr).toBeGreaterThanOrEqual(report.fpr_interval[0]);
    expect(report.fpr).toBeLessThanOrEqual(report.fpr_interval[1]);
  }, 300_000);

  it('makes the same detector of the same seed', async () => {
    expect(await calibrate(80)).toEqual(await calibrate(80));
  }, 300_000);

  it('refuses to evaluate on the set of the calibration, and more images than there are', async () => {
    const evaluate = (dataset: Dataset, images: number) =>
      evaluateDetector(
        { artefact, ...work, dataset },
        { images, seed: 1, attacks: ['fgsm'], epsilon: 0.3 },
        () => {},
      );
    await expect(evaluate(train, 10)).rejects.toThrow(/calibrated on/);
    await expect(evaluate(test, 10_000)).rejects.toThrow(/10000 images are asked for/);
  }, 300_000);
});

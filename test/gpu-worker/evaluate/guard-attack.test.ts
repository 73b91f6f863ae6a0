import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DetectorWork, openDetectorWork } from '../../../gpu-worker/cli/detector-work.ts';
import { drawDigits } from '../../../gpu-worker/datasets/synthetic-digits.ts';
import { attackCard } from '../../../gpu-worker/evaluate/attack-card.ts';
import {
  attackGuardedModel,
  type GuardAttackOptions,
  type GuardAttackReport,
} from '../../../gpu-worker/evaluate/guard-attack.ts';
import {
  attackCardSchema,
  type DetectorArtefact,
  detectorArtefactSchema,
} from '../../../shared/contracts/detector-artefact.ts';
import { extractionPlanSchema } from '../../../shared/contracts/extraction.ts';
import { detectorFixture } from '../../helpers/detector-fixture.ts';

const assets = new URL('../../../gpu-worker/demo/assets/', import.meta.url);
const options: GuardAttackOptions = {
  images: 12,
  budgets: [0.1, 0.3],
  steps: 12,
  draws: 2,
  queries: 30,
  seed: 1,
};
const dataset = drawDigits(12, 500);

describe('an attack on LeNet-5 behind the committed detector', () => {
  let work: DetectorWork;
  let artefact: DetectorArtefact;
  let report: GuardAttackReport;
  const attack = (changed: Partial<GuardAttackOptions> = {}, on = dataset, by = artefact) =>
    attackGuardedModel(
      { artefact: by, extractor: work.extractor, target: work.target, dataset: on },
      { ...options, ...changed },
      () => {},
    );
  beforeAll(async () => {
    artefact = detectorArtefactSchema.parse(
      JSON.parse(await readFile(new URL('mnist-lenet5.detector.json', assets), 'utf8')),
    );
    const model = await readFile(new URL('mnist-lenet5.onnx', assets));
    work = await openDetectorWork(model, { name: 'mnist-lenet5', plan: artefact.plan, seed: 3 });
    report = await attack();
  }, 180_000);
  afterAll(() => work.close());

  it('turns the model alone at 0.3', () => {
    // PGD turns nearly every image of this model there (gpu-worker/demo/assets/README.md).
    expect(report.budgets[1].bare.worst_effective_accuracy).toBeLessThan(0.2);
  });

  it('reports every attack with what it knows, and never a worst case above any of them', () => {
    for (const { guarded } of report.budgets) {
      const names = guarded.attacks.map((one) => one.attack);
      expect(names).toEqual([
        'pgd-unaware',
        'uniform-noise',
        'adaptive-known',
        'adaptive-secret',
        'square',
        'boundary',
      ]);
      const accuracies = guarded.attacks.map((one) => one.effective_accuracy);
      expect(guarded.worst_effective_accuracy).toBeLessThanOrEqual(Math.min(...accuracies));
      expect(Math.max(...accuracies)).toBeLessThanOrEqual(report.clean.effective_accuracy);
    }
    expect(report.budgets[1].guarded.worst_effective_accuracy).toBeLessThanOrEqual(
      report.budgets[0].guarded.worst_effective_accuracy,
    );
  });

  it('names the attacks that never succeeded', () => {
    for (const { attack: name } of report.budgets[0].guarded.attacks) {
      const turned = report.budgets.some(({ guarded }) => {
        const found = guarded.attacks.find((one) => one.attack === name);
        return found !== undefined && found.effective_accuracy < report.clean.effective_accuracy;
      });
      if (turned) expect(report.never_succeeded).not.toContain(`guarded ${name}`);
    }
    expect(report.never_succeeded).toContain('guarded uniform-noise');
  });

  it('gives a card that the artefact takes', () => {
    const card = attackCard(report, new Date('2026-01-01T00:00:00Z'));
    expect(attackCardSchema.parse(card)).toEqual(card);
    expect(card.budgets[1].effective_accuracy).toBe(report.budgets[1].guarded.worst_effective_accuracy);
    expect(detectorArtefactSchema.safeParse({ ...artefact, card }).success).toBe(true);
    const more = { ...card, verdict: 'good' };
    expect(detectorArtefactSchema.safeParse({ ...artefact, card: more }).success).toBe(false);
  });

  it('refuses the artefact of another model', async () => {
    const digest = `sha256:${'a'.repeat(64)}`;
    const other = { ...artefact, model: { ...artefact.model, digest } };
    await expect(attack({}, dataset, other)).rejects.toMatchObject({
      code: 'invalid_artefact',
      message: expect.stringMatching(/made for the model sha256:aaa/),
    });
  });

  it('refuses images of which the model gets none right', async () => {
    const wrong = { ...dataset, labels: dataset.labels.map((label) => (label + 1) % 10) };
    await expect(attack({}, wrong)).rejects.toMatchObject({
      code: 'invalid_dataset',
      message: expect.stringMatching(/none of the 12 images/),
    });
  });

  it('refuses more images than there are, NaN, and the set of the calibration', async () => {
    await expect(attack({ images: 13 })).rejects.toThrow(/13 images are asked for.*has 12/);
    const inputs = dataset.inputs.slice();
    inputs[5] = Number.NaN;
    await expect(attack({}, { ...dataset, inputs })).rejects.toThrow(/not finite at 5/);
    const own = { ...dataset, name: artefact.calibration.dataset };
    await expect(attack({}, own)).rejects.toThrow(/was calibrated on/);
  });

  it('says that no attack ever succeeded where the budgets are too small for the bare model', async () => {
    const small = { budgets: [1e-4], steps: 2, queries: 4 };
    await expect(attack(small)).rejects.toMatchObject({
      code: 'invalid_dataset',
      message: expect.stringMatching(/no attack ever succeeded on the bare model up to 0.0001/),
    });
  });
});

describe('an attack on a detector without noise', () => {
  it('has one kind of knowledge: there is no secret to know', async () => {
    const plan = extractionPlanSchema.parse({
      input_range: [0, 1],
      noise: [],
      transforms: [
        { family: 'shift', dx: 1, dy: 0, edge: 'zeros' },
        { family: 'total-variation', weight: 0.3, iterations: 4 },
      ],
      taps: [],
    });
    const model = await readFile(new URL('mnist-lenet5.onnx', assets));
    const work = await openDetectorWork(model, { name: 'mnist-lenet5', plan, seed: 3 });
    try {
      const { digest, input_shape: inputShape, classes } = work.extractor.compiled.model;
      const written = await detectorFixture({
        model: 'mnist-lenet5',
        modelDigest: digest,
        inputShape,
        classes,
        plan,
        design: 'margin-changes',
        threshold: 1e6,
      });
      const artefact = detectorArtefactSchema.parse(JSON.parse(new TextDecoder().decode(written)));
      const report = await attackGuardedModel(
        { artefact, extractor: work.extractor, target: work.target, dataset },
        { ...options, budgets: [0.3], queries: 4 },
        () => {},
      );
      const [{ bare, guarded }] = report.budgets;
      expect(guarded.attacks.map((one) => one.attack)).toContain('adaptive-white-box');
      expect(guarded.attacks.map((one) => one.attack)).not.toContain('adaptive-secret');
      // A threshold that no score reaches blocks nothing: the guard is the bare model.
      expect(report.clean.blocked).toBe(0);
      expect(guarded.worst_effective_accuracy).toBeLessThanOrEqual(bare.worst_effective_accuracy + 1 / 12);
    } finally {
      await work.close();
    }
  });
});

import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { calibrateAutomatically } from '../../../gpu-worker/calibrate/calibrate-automatically.ts';
import { openDetectorWork } from '../../../gpu-worker/cli/detector-work.ts';
import { selectionText } from '../../../gpu-worker/cli/selection-text.ts';
import { drawDigits } from '../../../gpu-worker/datasets/synthetic-digits.ts';
import { detectorArtefactSchema } from '../../../shared/contracts/detector-artefact.ts';
import { extractionPlanSchema, planCopies } from '../../../shared/contracts/extraction.ts';
import { mlpOfArtefact, mlpScore } from '../../../shared/detector/mlp.ts';
import { lenetFile } from '../../helpers/command-line.ts';

it('chooses a design by cross-validation, keeps the copies that it reads, and says why', async () => {
  const plan = extractionPlanSchema.parse({
    input_range: [0, 1],
    noise: [{ family: 'gaussian', epsilon: 0.3, rows: 16, copies: 2 }],
    transforms: [{ family: 'bit-depth', bits: 1 }],
    taps: [],
  });
  const work = await openDetectorWork(await readFile(lenetFile), { name: 'digits', plan, seed: 1 });
  try {
    const made = await calibrateAutomatically(
      { ...work, dataset: drawDigits(120, 5) },
      {
        targetFpr: 0.1,
        images: 120,
        budgets: [0.2, 0.3],
        seed: 1,
        version: '1',
        createdAt: new Date(0),
        // A twentieth of the steps tells strong examples from clean ones, and takes seconds.
        stepsShares: [1 / 20, 1 / 40],
      },
      () => {},
    );
    const artefact = detectorArtefactSchema.parse(JSON.parse(JSON.stringify(made)));
    expect(artefact).toEqual(made);
    const { selection } = made.calibration;
    const chosen = selection.candidates[selection.chosen];
    expect(selection.candidates.map(({ design }) => design).sort()).toEqual([
      'margin-changes',
      'margin-changes+rank-gaps',
      'rank-gaps',
      'strict',
    ]);
    // Designs under noise alone do not see strong examples: docs/paper.md.
    const value = (design: string) => selection.candidates.find((one) => one.design === design)!.value;
    expect(value('margin-changes')).toBeGreaterThan(value('rank-gaps'));
    expect(made.vector.design).toBe(chosen.design);
    expect(planCopies(made.plan) + 1).toBe(chosen.forwards);
    expect(made.mlp.parameters).toBe(chosen.parameters);
    const mlp = mlpOfArtefact(artefact);
    expect(artefact.self_check.vectors.map((vector) => mlpScore(mlp, vector))).toEqual(
      artefact.self_check.scores,
    );
    const [best] = selection.training.tried.toSorted((left, right) => right.value - left.value);
    expect(selection.training.steps).toBe(best.steps);
    // The candidate is reported as it was trained in the end.
    expect(best.value).toBe(chosen.value);
    const text = selectionText(selection);
    expect(text.split('\n').filter((line) => line.startsWith('>'))).toHaveLength(1);
    expect(text).toMatch(new RegExp(`chosen: ${chosen.design.replace('+', '\\+')}, since AUROC`));
  } finally {
    await work.close();
  }
}, 180_000);

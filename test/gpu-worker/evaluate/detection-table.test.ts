import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { smallestFgsm } from '../../../gpu-worker/attacks/fgsm.ts';
import { correctRows } from '../../../gpu-worker/calibrate/training-inputs.ts';
import { openDetectorWork, tapActivations } from '../../../gpu-worker/cli/detector-work.ts';
import { drawDigits } from '../../../gpu-worker/datasets/synthetic-digits.ts';
import { detectionTable } from '../../../gpu-worker/evaluate/detection-table.ts';
import { baselineNames } from '../../../gpu-worker/evaluate/table-baselines.ts';
import { detectionTableSchema } from '../../../shared/contracts/detection-table.ts';

const lenet = join(import.meta.dirname, '../../../gpu-worker/demo/assets/mnist-lenet5.onnx');

describe('the table of designs and baselines', () => {
  it('is one that can be stored, with curves and intervals that hold its figures', async () => {
    const model = await readFile(lenet);
    const plan = {
      input_range: [0, 1] as [number, number],
      noise: [{ family: 'gaussian' as const, epsilon: 0.3, rows: 16, copies: 2 }],
      transforms: [{ family: 'shift' as const, dx: 1, dy: 0, edge: 'zeros' as const }],
      taps: [],
    };
    const work = await openDetectorWork(model, {
      name: 'digits',
      plan: await tapActivations(plan, model),
      seed: 1,
    });
    try {
      const test = drawDigits(40, 5000);
      const right = await correctRows(work.target, test);
      const { inputs } = await smallestFgsm(work.target, right);
      const rows = Uint32Array.from(right.labels.keys());
      const foreign = [{ ...right, inputs, rows, name: 'foreign.npz' }];
      const table = await detectionTable(
        { ...work, training: drawDigits(130, 1), test, foreign },
        {
          designs: ['rank-gaps'],
          sequential: ['rank-gaps'],
          baselines: baselineNames,
          seeds: [1, 2],
          trainingImages: 90,
          thresholdImages: 40,
          testImages: 40,
          attacks: [{ attack: 'fgsm' }],
          shifts: [],
          budgets: [0.2],
          targetFpr: 0.05,
          timedInputs: 5,
          matrix: { designs: ['rank-gaps'], sources: ['fgsm'] },
        },
        () => {},
      );
      expect(detectionTableSchema.parse(JSON.parse(JSON.stringify(table)))).toEqual(table);
      expect(Object.keys(table.rows[0].cells)).toEqual([
        ...baselineNames,
        'rank-gaps',
        'rank-gaps, sequential',
      ]);
      expect(Object.keys(table.costs!.methods)).toEqual(Object.keys(table.rows[0].cells));
      // One pass, the two copies and the input, 16 mutants and the model, two squeezers and the input; A2D by its steps.
      const forwards = Object.values(table.costs!.methods).map((cost) => Math.round(cost.forwards));
      expect(forwards.slice(0, 8)).toEqual([1, 1, 3, 17, 1, expect.any(Number), 3, 3]);
      // A sequential test runs the input at least, and all of its copies at most.
      const name = 'rank-gaps, sequential';
      for (const { forwards: some } of [table.costs!.methods[name], table.rows[0].cells[name]]) {
        expect(some).toBeGreaterThanOrEqual(1);
        expect(some).toBeLessThanOrEqual(3);
      }
      expect(table.rows[0].cells['rank-gaps']).not.toHaveProperty('forwards');
      expect(table.costs!.methods.a2d.forwards).toBeGreaterThan(3);
      expect(table.matrix!.map(({ trained_on }) => trained_on)).toEqual([['fgsm'], ['fgsm', 'pgd', 'jsma']]);
      // The same examples as the attack's own row.
      expect(table.rows.map(({ attack }) => attack)).toEqual(['fgsm', 'foreign.npz']);
      expect(table.rows[1]).toEqual({ ...table.rows[0], attack: 'foreign.npz' });
      // Trained and seeded like the design's own column, whose recipe is Combine.
      expect(table.matrix![1].cells.fgsm.auroc).toEqual(table.rows[0].cells['rank-gaps'].auroc);
      for (const cell of Object.values(table.rows[0].cells)) {
        const [low, high] = cell.tpr_at_fpr_5_ci95!;
        expect(low).toBeLessThanOrEqual(cell.tpr_at_fpr_5.mean);
        expect(high).toBeGreaterThanOrEqual(cell.tpr_at_fpr_5.mean);
        expect([cell.roc?.at(0), cell.roc?.at(-1)]).toEqual([
          [0, 0],
          [1, 1],
        ]);
      }
    } finally {
      await work.close();
    }
  }, 300_000);
});

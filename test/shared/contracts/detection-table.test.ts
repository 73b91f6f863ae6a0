import { describe, expect, it } from 'vitest';
import { type DetectionTable, detectionTableSchema } from '../../../shared/contracts/detection-table.ts';

const one = (mean: number) => ({ mean, deviation: 0 });
const cell = { auroc: one(0.97), tpr_at_fpr_5: one(0.9), tpr_at_fpr_1: one(0.5) };

const table: DetectionTable = {
  model: 'm.onnx',
  images: { training: 4000, threshold: 1000, test: 999 },
  seeds: [1, 2],
  target_fpr: 0.05,
  rows: [
    {
      attack: 'fgsm',
      attacked: 871,
      successes: 869,
      cells: {
        strict: {
          ...cell,
          tpr_at_fpr_5_ci95: [0.8, 0.95],
          roc: [
            [0, 0],
            [1, 1],
          ],
        },
        margin: cell,
      },
    },
    { attack: 'pgd', attacked: 871, successes: 870, cells: { strict: cell, margin: cell } },
  ],
  false_positives: { clean: { strict: one(0.0511), margin: one(0.0503) } },
  costs: {
    inputs: 50,
    device: 'a processor',
    bare_ms: { median: 0.1, quartiles: [0.09, 0.12] },
    gradient_ratio: { median: 2, quartiles: [1.8, 2.2] },
    methods: {
      strict: {
        forwards: 5,
        ms: { median: 0.4, quartiles: [0.3, 0.5] },
        ratio: { median: 4, quartiles: [3, 5] },
        mean_ratio: 4.1,
      },
      margin: {
        forwards: 1,
        ms: { median: 0.1, quartiles: [0.1, 0.1] },
        ratio: { median: 1, quartiles: [1, 1] },
        mean_ratio: 1,
      },
    },
  },
  matrix: [
    {
      design: 'strict',
      trained_on: ['fgsm', 'pgd'],
      cells: { fgsm: { ...cell, paper: { 'Table 3, a net': 0.99 } }, pgd: cell },
    },
  ],
};

describe('a stored table', () => {
  it('is read as it was written', () => {
    expect(detectionTableSchema.parse(JSON.parse(JSON.stringify(table)))).toEqual(table);
  });

  it('is refused where it has no rows, a figure is none, or a row is scored in other ways', () => {
    const [first, second] = table.rows;
    const refusal = (broken: unknown) => {
      const parsed = detectionTableSchema.safeParse(JSON.parse(JSON.stringify(broken)));
      return parsed.success ? undefined : parsed.error.issues[0].path.join('.');
    };
    expect(refusal({ ...table, rows: [] })).toBe('rows');
    expect(refusal({ ...table, rows: [{ ...first, cells: {} }] })).toBe('rows.0.cells');
    const { margin, ...rest } = second.cells;
    expect(refusal({ ...table, rows: [first, { ...second, cells: rest }] })).toBe('rows.1.cells');
    expect(refusal({ ...table, false_positives: { clean: { margin: one(0) } } })).toBe(
      'false_positives.clean',
    );
    const half = { median: 1, quartiles: [1, 1] };
    const strict = { forwards: 1, ms: half, ratio: half, mean_ratio: 1 };
    const costs = { inputs: 9, device: 'd', bare_ms: half, gradient_ratio: half, methods: { strict } };
    expect(refusal({ ...table, costs })).toBe('costs.methods');
    const matrix = [{ design: 'strict', trained_on: ['fgsm'], cells: { jsma: cell } }];
    expect(refusal({ ...table, matrix })).toBe('matrix.0.cells');
    const bad = { ...margin, auroc: one(Number.NaN) };
    expect(refusal({ ...table, rows: [{ ...second, cells: { ...rest, margin: bad } }] })).toBe(
      'rows.0.cells.margin.auroc.mean',
    );
  });
});

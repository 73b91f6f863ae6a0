import { describe, expect, it } from 'vitest';
import { tableText } from '../../../gpu-worker/evaluate/table-text.ts';
import { costVerdicts, marginVerdicts } from '../../../gpu-worker/evaluate/table-verdicts.ts';
import {
  type DetectionTable,
  detectionTableSchema,
  type TableCell,
} from '../../../shared/contracts/detection-table.ts';

const one = (mean: number) => ({ mean, deviation: 0 });
const cell = (auroc: number): TableCell => ({
  auroc: one(auroc),
  tpr_at_fpr_5: one(0.9),
  tpr_at_fpr_1: one(0.5),
});
const quartiles = (median: number) => ({
  median,
  quartiles: [0.9 * median, 1.1 * median] as [number, number],
});
const cost = (ratio: number) => ({
  forwards: ratio,
  ms: quartiles(ratio / 10),
  ratio: quartiles(ratio),
  mean_ratio: ratio,
});

/** AUROC on FGSM and PGD at their smallest and on PGD at 0.3, and time; by way of scoring. */
function tableOf(
  figures: Record<string, { areas: [number, number, number]; ratio: number }>,
): DetectionTable {
  const names = Object.keys(figures);
  const row = (attack: string, index: number) => ({
    attack,
    attacked: 100,
    successes: 90,
    cells: Object.fromEntries(names.map((name) => [name, cell(figures[name].areas[index])])),
  });
  return detectionTableSchema.parse({
    model: 'mnist-lenet5.onnx',
    images: { training: 100, threshold: 100, test: 100 },
    seeds: [1],
    target_fpr: 0.05,
    rows: [row('fgsm', 0), row('pgd', 1), row('pgd-fixed @0.3000', 2)],
    false_positives: { clean: Object.fromEntries(names.map((name) => [name, one(0.05)])) },
    costs: {
      inputs: 50,
      device: 'a processor',
      bare_ms: quartiles(0.1),
      gradient_ratio: quartiles(2),
      methods: Object.fromEntries(names.map((name) => [name, cost(figures[name].ratio)])),
    },
  });
}

const margin = { areas: [0.99, 0.99, 0.6], ratio: 1 } as { areas: [number, number, number]; ratio: number };

describe('whether a design beats the margin', () => {
  it('is said of the smallest examples and of the fixed radii apart, with the means', () => {
    const table = tableOf({ margin, 'margin-changes': { areas: [0.98, 0.995, 0.97], ratio: 5 } });
    // By hand: (0.98 + 0.995) / 2 = 0.9875 under 0.99, and 0.97 over 0.6.
    expect(marginVerdicts(table)).toEqual([
      {
        name: 'margin-changes',
        holds: false,
        sentence:
          'W0: margin changes: on the smallest examples it does not beat the margin (mean AUROC 0.9875 against 0.9900, ahead on 1 of 2 sets); on the fixed radii it beats the margin (mean AUROC 0.9700 against 0.6000, ahead on 1 of 1 sets).',
      },
    ]);
  });

  it('is said of examples made elsewhere apart, since nobody has said what they are', () => {
    const table = tableOf({ margin, 'margin-changes': { areas: [0.995, 0.995, 0.97], ratio: 5 } });
    const elsewhere = { margin: cell(0.9), 'margin-changes': cell(0.8) };
    const foreign = { ...table.rows[0], attack: 'set/foolbox.npz', cells: elsewhere };
    const [verdict] = marginVerdicts({ ...table, rows: [...table.rows, foreign] });
    expect(verdict.holds).toBe(false);
    expect(verdict.sentence).toMatch(
      /smallest examples it beats the margin \(mean AUROC 0\.9950 .*; on the examples made elsewhere it does not beat the margin \(mean AUROC 0\.8000 against 0\.9000/,
    );
  });

  it('holds where it does on both, and a tie is none', () => {
    const holds = (areas: [number, number, number]) =>
      marginVerdicts(tableOf({ margin, strict: { areas, ratio: 5 } }))[0].holds;
    expect(holds([0.991, 0.99, 0.61])).toBe(true);
    expect(holds([0.99, 0.99, 0.61])).toBe(false);
    expect(holds([0.99001, 0.99, 0.61])).toBe(false);
  });

  it('is not said where the margin was not measured', () => {
    expect(marginVerdicts(tableOf({ strict: margin }))).toEqual([]);
  });
});

describe('whether the default costs a fifth of its rivals', () => {
  const design = { areas: [0.98, 0.99, 0.97] as [number, number, number], ratio: 2 };

  it('holds where it does at an area no lower', () => {
    const table = tableOf({ a2d: { areas: [0.98, 0.99, 0.8], ratio: 10 }, 'margin-changes': design });
    const [verdict] = costVerdicts(table);
    expect(verdict).toMatchObject({ name: 'a2d', holds: true });
    expect(verdict.sentence).toMatch(
      /takes 5\.0 times less time than A2D .* and 5\.0 times fewer forward passes, .*0\.9700 against 0\.8000.*it holds\.$/,
    );
  });

  it('does not hold where it is less, or an area is lower', () => {
    const slow = tableOf({ a2d: { areas: [0.9, 0.9, 0.9], ratio: 9.9 }, 'margin-changes': design });
    expect(costVerdicts(slow)[0]).toMatchObject({ holds: false });
    const worse = tableOf({
      'label change rate': { areas: [0.99, 0.99, 0.5], ratio: 20 },
      'margin-changes': design,
    });
    expect(costVerdicts(worse)[0].sentence).toMatch(/that is lower somewhere .*it does not hold\.$/);
  });

  it('is said of sequential tests too, by names of their own', () => {
    const table = tableOf({ a2d: { areas: [0.9, 0.9, 0.8], ratio: 20 }, 'rank-gaps, sequential': design });
    expect(costVerdicts(table)).toMatchObject([{ name: 'a2d', holds: true }]);
    expect(costVerdicts(table)[0].sentence).toMatch(/^A: rank gaps, sequential takes 10\.0 times less time/);
  });

  it('is not said without times, without the default or without a rival', () => {
    const { costs: _, ...untimed } = tableOf({ a2d: margin, 'margin-changes': design });
    expect(costVerdicts(untimed)).toEqual([]);
    expect(costVerdicts(tableOf({ a2d: margin, strict: design }))).toEqual([]);
    expect(costVerdicts(tableOf({ margin, 'margin-changes': design }))).toEqual([]);
  });
});

describe('a table as text', () => {
  it('has the figures, the times, the matrix with the paper’s cells, and the sentences', () => {
    const table: DetectionTable = {
      ...tableOf({ margin, a2d: { ...margin, ratio: 30 }, 'margin-changes': margin }),
      matrix: [
        {
          design: 'margin-changes',
          trained_on: ['fgsm', 'pgd', 'jsma'],
          cells: { fgsm: { ...cell(0.9876), paper: { 'Table 3, LeNet-5': 0.9935 } }, pgd: cell(0.9765) },
        },
      ],
    };
    const text = tableText(detectionTableSchema.parse(table));
    expect(text).toMatch(/^AUROC +successes +margin +a2d +margin-changes\n/);
    expect(text).toMatch(/\na2d +30\.0 +30\.00 +30\.00 \[27\.00 to 33\.00\]\n/);
    expect(text).toMatch(/in brackets the paper's \(Table 3, LeNet-5\)\n/);
    expect(text).toMatch(/\nmargin-changes, Combine +0\.9876 \(0\.9935\) +0\.9765\n/);
    expect(text).toMatch(/\nW0: margin changes: on the smallest examples it ties with the margin/);
    expect(text).toMatch(/\nW0: margin changes takes 30\.0 times less time than A2D/);
  });
});

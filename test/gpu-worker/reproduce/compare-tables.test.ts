// What stands beside the paper's figures: expected values are the paper's own, copied here by hand.
import { describe, expect, it } from 'vitest';
import { compareDetection, detectionCosts } from '../../../gpu-worker/reproduce/compare-detection.ts';
import { compareScreening, screeningCosts } from '../../../gpu-worker/reproduce/compare-screening.ts';
import { differenceText, figureText } from '../../../gpu-worker/reproduce/reproduction-text.ts';
import type { DetectionTable } from '../../../shared/contracts/detection-table.ts';
import type { ScreeningTable } from '../../../shared/contracts/screening-table.ts';

const spread = (mean: number) => ({ mean, deviation: 0 });
const cell = (mean: number) => ({
  auroc: spread(mean),
  tpr_at_fpr_5: spread(mean),
  tpr_at_fpr_1: spread(mean),
});
const time = { median: 2, quartiles: [1, 3] as [number, number] };

const detection = {
  model: '/models/mnist-lenet5.onnx',
  rows: [{ attack: 'pgd', attacked: 9, successes: 9, cells: { a2d: cell(0.75), dissector: cell(0.5) } }],
  matrix: [
    { design: 'rank-gaps', trained_on: ['fgsm'], cells: { pgd: cell(0.9) } },
    { design: 'rank-gaps', trained_on: ['fgsm', 'pgd', 'jsma'], cells: { pgd: cell(0.8) } },
  ],
  costs: {
    inputs: 20,
    device: 'a processor',
    bare_ms: time,
    gradient_ratio: time,
    methods: { margin: { forwards: 1, ms: { ...time, median: 4 }, ratio: time, mean_ratio: 2 } },
  },
} as unknown as DetectionTable;

describe('the train-by-test matrix', () => {
  it('puts each training set and baseline beside the paper’s column of the same name', () => {
    const [grid, other] = compareDetection(detection, 'Table 3');
    expect(grid.columns).toEqual([
      'trained on FGSM',
      'trained on PGD',
      'trained on JSMA',
      'trained on Combine',
      'label change rate',
      'A2D',
    ]);
    const pgd = grid.rows.find(({ label }) => label.startsWith('PGD'))!;
    expect(pgd.cells).toEqual([
      { paper: 0.9926, ours: 0.9 },
      { paper: 0.9973, ours: null },
      { paper: 0.9131, ours: null },
      { paper: 0.9926, ours: 0.8 },
      { paper: 0.9531, ours: null },
      { paper: 0.9783, ours: 0.75 },
    ]);
    expect(other.rows.every(({ cells }) => cells.slice(0, 4).every(({ ours }) => ours === null))).toBe(true);
    const second = compareDetection(detection, 'Table 4')[0].rows.find(({ label }) =>
      label.startsWith('PGD'),
    )!;
    expect(second.cells[4]).toEqual({ paper: 0.9992, ours: 0.5 });
  });

  it('says what each way of scoring cost, the bare model first; nothing where no time was measured', () => {
    expect(detectionCosts(detection)[0].rows.map(({ cost }) => cost)).toEqual([2, 4]);
    const { costs: _costs, ...timeless } = detection;
    expect(detectionCosts(timeless as DetectionTable)).toEqual([]);
  });
});

describe('the table of screening', () => {
  const row = (name: string, trigger: string | null, clean_label = false) => ({
    name,
    trigger,
    clean_label,
    examples: 100,
    methods: {
      nccr: { f1: trigger && 0.99, seconds: 3 },
      'activation-clustering/ica/smaller': { f1: trigger && 0.1, seconds: 5 },
    },
  });
  const rows = [
    row('gtsrb_sig_t33_10', 'sig'),
    row('gtsrb_sig_t2_60cl', 'sig', true),
    row('gtsrb_clean', null),
  ];
  const table = { device: 'a processor', rows } as unknown as ScreeningTable;

  it('has the paper’s F1 of the same data and trigger, none for clean labels, and no row for clean data', () => {
    const [{ rows: compared }] = compareScreening(table);
    expect(compared.map(({ label }) => label)).toEqual(['gtsrb_sig_t33_10', 'gtsrb_sig_t2_60cl']);
    expect(compared[0].cells).toEqual([
      { paper: 0.9994, ours: 0.99 },
      { paper: 0.9978, ours: 0.1 },
      { paper: 0.6291, ours: null },
    ]);
    expect(compared[1].cells.map(({ paper }) => paper)).toEqual([null, null, null]);
  });

  it('averages the time of a method over the sets', () => {
    expect(screeningCosts(table)[0].rows).toEqual([
      { method: 'NCCR', cost: 3 },
      { method: 'AC, ICA, smaller', cost: 5 },
    ]);
  });
});

describe('a difference', () => {
  it('has a sign, is of the digits that are shown, and is empty without both figures', () => {
    expect(differenceText({ paper: 0.9, ours: 0.85 }, 'auroc')).toBe('−0.0500');
    expect(differenceText({ paper: 0.9, ours: 0.95 }, 'accuracy')).toBe('+5.0');
    expect(differenceText({ paper: 0.9, ours: 0.90001 }, 'f1')).toBe('±0.0000');
    expect(differenceText({ paper: null, ours: 0.9 }, 'f1')).toBe('');
    expect(figureText(null, 'f1')).toBe('–');
  });
});

// Figures of suspects against planted rows, and smallest rates, by hand.
import { describe, expect, it } from 'vitest';
import { scoreSuspicion, smallestRates } from '../../../gpu-worker/evaluate/score-suspicion.ts';
import type { ScreeningRow } from '../../../shared/contracts/screening-table.ts';

describe('scoreSuspicion', () => {
  const known = { planted: [1, 2, 3, 4], labels: [0, 1, 1, 1, 1, 1, 0, 2, 2, 2] };

  it('counts hits, misses and clean rows', () => {
    // By hand: of the suspects 1, 2, 3 and 7 three are planted, of four planted three are found; one of six clean rows is suspected.
    const suspicion = { rows: Uint32Array.of(1, 2, 3, 7), labels: [1, 2] };
    expect(scoreSuspicion(suspicion, known, { seconds: 2 })).toEqual({
      f1: 0.75,
      precision: 0.75,
      recall: 0.75,
      flagged: [1, 2],
      false_classes: [2],
      clean_flagged: 1 / 6,
      seconds: 2,
    });
  });

  it('gives 0 where nothing is suspected, and no classes where the method names none', () => {
    const score = scoreSuspicion({ rows: new Uint32Array(), labels: undefined }, known, { seconds: 0 });
    expect(score).toMatchObject({ f1: 0, precision: 0, recall: 0, flagged: null, false_classes: null });
  });

  it('has no F1 where nothing is planted: every flagged class is false', () => {
    const suspicion = { rows: Uint32Array.of(0), labels: [0] };
    const score = scoreSuspicion(suspicion, { ...known, planted: [] }, { seconds: 0 });
    expect(score).toMatchObject({ f1: null, precision: null, recall: null, false_classes: [0] });
    expect(score.clean_flagged).toBe(0.1);
  });
});

describe('smallestRates', () => {
  const row = (trigger: string | null, rate: number, f1: number, cleanLabel = false): ScreeningRow => ({
    name: `${trigger} ${rate}`,
    trigger,
    clean_label: cleanLabel,
    target: 1,
    rate,
    examples: 100,
    classes: 3,
    planted: 1,
    clean_in_target: 1,
    model_digest: `sha256:${'0'.repeat(64)}`,
    methods: {
      ours: {
        f1,
        precision: f1,
        recall: f1,
        flagged: [],
        false_classes: [],
        clean_flagged: 0,
        seconds: 1,
      },
    },
    seeds: [],
  });
  const smallest = (...rows: ScreeningRow[]) => smallestRates(rows).map((each) => each.smallest.ours);

  it('is the smallest rate that was tried where F1 holds at all', () => {
    expect(smallest(row('a', 0.1, 0.95), row('a', 0.01, 0.9))).toEqual([0.01]);
  });

  it('does not look under a rate at which F1 does not hold', () => {
    expect(smallest(row('a', 0.1, 0.95), row('a', 0.05, 0.4), row('a', 0.01, 0.99))).toEqual([0.1]);
    expect(smallest(row('a', 0.1, 0.2), row('a', 0.01, 0.99))).toEqual([null]);
  });

  it('asks it of every set of one rate', () => {
    expect(smallest(row('a', 0.1, 0.95), row('a', 0.05, 0.95), row('a', 0.05, 0.3))).toEqual([0.1]);
    expect(smallest(row('a', 0.05, 0.3), row('a', 0.05, 0.95))).toEqual([null]);
  });

  it('keeps triggers and clean labels apart and leaves clean sets out', () => {
    const rates = smallestRates([
      row('a', 0.1, 1),
      row(null, 0, 0),
      row('b', 0.2, 0),
      row('a', 0.6, 0, true),
    ]);
    expect(rates.map(({ trigger, cleanLabel, rates: tried }) => [trigger, cleanLabel, tried])).toEqual([
      ['a', false, [0.1]],
      ['b', false, [0.2]],
      ['a', true, [0.6]],
    ]);
  });
});

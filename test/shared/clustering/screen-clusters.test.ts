// The whole set: which classes are named, the same by its seed, and what is refused.
import { describe, expect, it } from 'vitest';
import {
  classSourceOf,
  composeScreening,
  screenClusters,
} from '../../../shared/clustering/screen-clusters.ts';
import { screeningSchema } from '../../../shared/contracts/screening.ts';
import { syntheticClasses } from '../../helpers/synthetic-classes.ts';

const set = {
  classes: 8,
  neurons: 12,
  counts: [300, 50, 0, 400, 300, 1, 120, 200],
  poison: { 3: 0.1, 6: 0.7 },
};

describe('screenClusters', () => {
  it('names the poisoned classes and no other, whatever the seed', async () => {
    for (const seed of [0, 1, 2]) {
      const screening = await screenClusters(syntheticClasses(set), { seed });
      expect(screeningSchema.parse(screening)).toEqual(screening);
      expect(screening.poisoned).toEqual([3, 6]);
      expect(screening.examples).toBe(1371);
      expect(screening.verdicts.map(({ verdict }) => verdict)).toEqual([
        'clean',
        'too_small',
        'poisoned',
        'clean',
        'too_small',
        'poisoned',
        'clean',
      ]);
      const [, , third] = screening.verdicts;
      const suspects = third.verdict === 'poisoned' ? third.suspects.map(({ row }) => row) : [];
      // Class 3 starts after 350 examples, and its poison comes first.
      expect(suspects.sort((left, right) => left - right)).toEqual(
        Array.from({ length: 40 }, (_, place) => 350 + place),
      );
    }
  });

  it('names none in a clean set', async () => {
    const screening = await screenClusters(syntheticClasses({ ...set, poison: {} }), { seed: 1 });
    expect(screening.poisoned).toEqual([]);
  });

  it('repeats itself to the bit, and judges a class alike whatever class came before', async () => {
    const source = syntheticClasses(set);
    const first = await screenClusters(source, { seed: 7 });
    expect(await screenClusters(source, { seed: 7 })).toEqual(first);
    expect(composeScreening(first.verdicts.toReversed(), { classes: 8, seed: 7 })).toEqual(first);
  });

  it('tells of each class as it is judged', async () => {
    const told: number[] = [];
    await screenClusters(syntheticClasses(set), {
      seed: 1,
      onClass: ({ verdict, picture }, { rows }) => {
        told.push(verdict.label);
        expect(picture === undefined).toBe(verdict.verdict === 'too_small');
        expect(rows).toHaveLength(verdict.examples);
      },
    });
    expect(told).toEqual([0, 1, 3, 4, 5, 6, 7]);
  });

  it('takes other thresholds and reports them', async () => {
    const rule = {
      examples_min: 40,
      cluster_examples_min: 20,
      evidence_min: 50,
      first_separation_min: 50,
      direction_share_min: 0.1,
      direction_entropy_min: 0.5,
    };
    const screening = await screenClusters(syntheticClasses(set), { seed: 1, rule });
    expect(screening.poisoned).toEqual([]);
    expect(screening.rule).toEqual(rule);
    expect(screening.verdicts[1].verdict).toBe('clean');
  });

  it('refuses no class, one class, and a model of two', async () => {
    const screen = (counts: number[], classes = 8) =>
      screenClusters(syntheticClasses({ classes, neurons: 4, counts }), { seed: 1 });
    await expect(screen([])).rejects.toMatchObject({ code: 'invalid_dataset', message: /no examples/ });
    await expect(screen([0, 100])).rejects.toMatchObject({
      code: 'invalid_dataset',
      message: /all examples are of class 1/,
    });
    await expect(screen([100, 100], 2)).rejects.toMatchObject({
      code: 'invalid_dataset',
      message: /at least 3 classes/,
    });
  });

  it('refuses a class that its source lacks', async () => {
    const source = { ...syntheticClasses(set), labels: [0, 2] };
    await expect(screenClusters(source, { seed: 1 })).rejects.toThrow(/class 2 has no example/);
  });
});

describe('classSourceOf', () => {
  const labels = [2, 0, 2, 1];
  const vectors = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  const logits = Float32Array.of(0, 1, 5, 9, 1, 0, 4, 1, 5, 0, 3, 2);

  it('sorts examples by label', () => {
    const source = classSourceOf({ vectors, logits, labels, classes: 3 });
    expect(source).toMatchObject({ classes: 3, neurons: 2, labels: [0, 1, 2] });
    expect(source.read(2)).toEqual({
      vectors: Float32Array.of(1, 2, 5, 6),
      runnersUp: Int32Array.of(1, 0),
      rows: Uint32Array.of(0, 2),
    });
  });

  it('refuses an empty set, labels out of range and another size', () => {
    const empty = { vectors: new Float32Array(0), logits: new Float32Array(0), labels: [], classes: 3 };
    expect(() => classSourceOf(empty)).toThrow(/no examples/);
    expect(() => classSourceOf({ vectors, logits, labels: [2, 0, 3, 1], classes: 3 })).toThrow(
      /example 2 is labelled 3/,
    );
    expect(() => classSourceOf({ vectors: vectors.subarray(1), logits, labels, classes: 3 })).toThrow(
      /elements/,
    );
  });
});

describe('the contract', () => {
  it('refuses a list of poisoned classes, counts or an order that do not fit the verdicts', async () => {
    const screening = await screenClusters(syntheticClasses(set), { seed: 1 });
    const refused = (change: object) => screeningSchema.safeParse({ ...screening, ...change }).success;
    expect(refused({})).toBe(true);
    expect(refused({ poisoned: [] })).toBe(false);
    expect(refused({ examples: 5 })).toBe(false);
    expect(refused({ classes: 4 })).toBe(false);
    expect(refused({ verdicts: screening.verdicts.toReversed() })).toBe(false);
  });
});

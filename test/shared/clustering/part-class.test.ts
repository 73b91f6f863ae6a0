// Parting a class: what outliers may not do.
import { describe, expect, it } from 'vitest';
import { type PartedClass, partClass, partFirstComponent } from '../../../shared/clustering/part-class.ts';
import type { ClassExamples } from '../../../shared/clustering/screen-class.ts';
import { screenClass } from '../../../shared/clustering/screen-class.ts';
import { normal, seededRandom } from '../../../shared/maths/random.ts';
import { syntheticClasses } from '../../helpers/synthetic-classes.ts';

const neurons = 12;
const whitening = Float64Array.from({ length: neurons ** 2 }, (_, index) =>
  index % (neurons + 1) === 0 ? 1 : 0,
);
const options = { seed: 1, clusterMin: 20, examplesMin: 80 };

/** A class of 600, its first rows poison by the share, the last ones thrown far away, each to a place of its own. */
function classWith({ poison, outliers, far = 400 }: { poison: number; outliers: number; far?: number }) {
  const source = syntheticClasses({ classes: 10, neurons, counts: [600], poison: { 0: poison } });
  const examples = source.read(0) as ClassExamples;
  const random = seededRandom(4);
  const vectors = examples.vectors.slice();
  for (let place = vectors.length - outliers * neurons; place < vectors.length; place++) {
    vectors[place] += far * normal(random);
  }
  return { ...examples, vectors };
}

const smaller = ({ sizes }: PartedClass) => Math.min(...sizes);

describe('partClass', () => {
  it('sets nothing aside where both clusters are large', () => {
    const parted = partClass(classWith({ poison: 0.1, outliers: 0 }).vectors, { ...options, whitening });
    expect(parted.outliers).toHaveLength(0);
    expect(smaller(parted)).toBe(60);
  });

  it.each([1, 5, 19])('finds the two clusters behind %i outliers', (outliers) => {
    const parted = partClass(classWith({ poison: 0.1, outliers }).vectors, { ...options, whitening });
    expect([...parted.outliers]).toEqual(
      Array.from({ length: outliers }, (_, index) => 600 - outliers + index),
    );
    // Sixty are poison; an outlier may fall on either side.
    const first = parted.clusters[0];
    expect(parted.clusters.subarray(0, 60).every((cluster) => cluster === first)).toBe(true);
    expect(parted.clusters.subarray(60, 600 - outliers).every((cluster) => cluster !== first)).toBe(true);
    expect(parted.separation).toBeGreaterThan(9);
  });

  it('judges what is left as it is once it may set nothing aside any more', () => {
    // Each outlier is eight times as far as the one before and a cluster of its own; twenty are set aside, five are left.
    const { vectors } = classWith({ poison: 0, outliers: 0 });
    for (let outlier = 0; outlier < 25; outlier++) vectors[outlier * neurons] += 100 * 8 ** outlier;
    const parted = partClass(vectors, { ...options, whitening });
    expect(parted.outliers).toHaveLength(20);
    expect(parted.separation).toBeGreaterThan(6.5);
  });

  it('keeps the least number of examples', () => {
    const { vectors } = classWith({ poison: 0, outliers: 0 });
    const few = vectors.slice(0, 82 * neurons);
    for (let outlier = 0; outlier < 5; outlier++) few[outlier * neurons] += 1000 * (outlier + 1);
    const parted = partClass(few, { ...options, whitening });
    expect(82 - parted.outliers.length).toBeGreaterThanOrEqual(80);
  });
});

describe('partFirstComponent', () => {
  it('does not take one example for a cluster', () => {
    const { vectors } = classWith({ poison: 0, outliers: 1, far: 30 });
    const parted = partClass(vectors, { ...options, whitening });
    expect(partFirstComponent(parted, options).separation).toBeLessThan(3);
  });
});

describe('screenClass', () => {
  it.each([0, 1, 5, 19])('finds poison that stands beside %i planted outliers', (outliers) => {
    const { verdict } = screenClass(classWith({ poison: 0.1, outliers }), {
      label: 0,
      classes: 10,
      whitening,
      seed: 1,
    });
    if (verdict.verdict !== 'poisoned') throw new Error('the class is poisoned');
    expect(verdict.outliers).toBe(outliers);
    // The classes' rows are their places.
    const far = Array.from({ length: outliers }, (_, index) => 600 - outliers + index);
    expect(verdict.outlier_rows).toEqual(outliers === 0 ? undefined : far);
    const rows = new Set(verdict.suspects.map(({ row }) => row));
    for (let row = 0; row < 60; row++) expect(rows.has(row)).toBe(true);
    expect(rows.size).toBeLessThanOrEqual(60 + outliers);
  });

  it.each([1, 5, 19])('calls a clean class with %i outliers clean', (outliers) => {
    const { verdict } = screenClass(classWith({ poison: 0, outliers }), {
      label: 0,
      classes: 10,
      whitening,
      seed: 1,
    });
    expect(verdict).toMatchObject({ verdict: 'clean', outliers });
  });
});

import { beforeAll, describe, expect, it } from 'vitest';
import type { ScreenedClass } from '../../../shared/clustering/screen-class.ts';
import type { ClassVerdict } from '../../../shared/contracts/screening.ts';
import type { ClassPicture } from '../../../shared/contracts/screening-report.ts';
import { classPicture, thinPicture } from '../../../shared/screening-report/class-picture.ts';
import {
  addPicture,
  chosenPictures,
  emptyGallery,
} from '../../../shared/screening-report/picture-gallery.ts';
import { screenedClasses } from '../../helpers/screened-report.ts';

describe('the picture of a class', () => {
  let screened: ScreenedClass[];
  beforeAll(async () => {
    screened = (await screenedClasses()).screened.map(({ each }) => each);
  });

  it('has every example of a small class, in clusters of the verdict’s sizes', () => {
    const { clusters } = classPicture(screened[3], { seed: 7 })!;
    const { verdict } = screened[3];
    expect(clusters.map(({ points }) => points.length)).toEqual(
      verdict.verdict === 'poisoned' ? verdict.clusters.map(({ examples }) => examples) : undefined,
    );
  });

  it('holds at most 1,000 points, and keeps a small cluster whole', () => {
    // 5 % of 2,400 examples are poison: 120, fewer than the quarter of the points that a small cluster may have.
    const { clusters } = classPicture(screened[1], { seed: 7 })!;
    const counts = clusters.map(({ points }) => points.length).sort((left, right) => left - right);
    expect(counts).toEqual([120, 880]);
  });

  it('draws points of the class, each once', () => {
    const { points, components, clusters } = screened[1].picture!;
    const own = new Set(
      Array.from(clusters, (cluster, place) =>
        [cluster, ...points.subarray(place * components, place * components + 2)].map((value) =>
          Number(value.toPrecision(4)),
        ),
      ).map(String),
    );
    const drawn = classPicture(screened[1], { seed: 7 })!.clusters.flatMap((cluster, index) =>
      cluster.points.map((point) => String([index, ...point])),
    );
    expect(drawn.every((point) => own.has(point))).toBe(true);
    expect(new Set(drawn).size).toBe(1000);
  });

  it('is the same for the same seed, and another sample for another', () => {
    const first = classPicture(screened[1], { seed: 7 });
    expect(classPicture(screened[1], { seed: 7 })).toEqual(first);
    expect(classPicture(screened[1], { seed: 8 })).not.toEqual(first);
  });

  it('draws ordinary rows of a poisoned class out of the cluster that is not the poison, and none of a clean one', () => {
    const rows = Uint32Array.from({ length: 2400 }, (_, place) => 10_000 + place);
    const { verdict, picture } = screened[1];
    const drawn = classPicture(screened[1], { seed: 7, rows })!.ordinary_rows;
    expect(new Set(drawn).size).toBe(12);
    const poison = verdict.verdict === 'poisoned' ? verdict.poison_cluster : undefined;
    for (const row of drawn) expect(picture!.clusters[row - 10_000]).toBe(1 - poison!);
    expect(classPicture(screened[1], { seed: 7 })!.ordinary_rows).toEqual([]);
    expect(classPicture(screened[0], { seed: 7, rows })!.ordinary_rows).toEqual([]);
  });

  it('outlines falling silhouettes, the highest and the lowest nearly kept', () => {
    const { clusters, silhouette } = screened[1].picture!;
    for (const [index, { silhouettes }] of classPicture(screened[1], { seed: 7 })!.clusters.entries()) {
      const values = silhouette.values.filter((_, place) => clusters[silhouette.rows[place]] === index);
      expect(silhouettes).toEqual(silhouettes.toSorted((left, right) => right - left));
      expect(silhouettes.length).toBe(Math.min(250, values.length));
      expect(silhouettes[0]).toBeCloseTo(Math.max(...values), 1);
    }
  });

  it('is none of a class that was too small to judge', () => {
    expect(classPicture(screened[5], { seed: 7 })).toBeUndefined();
  });

  it('takes points of one component and an empty cluster', () => {
    const picture = {
      points: Float32Array.of(1, 2, -0),
      components: 1,
      clusters: Uint8Array.of(0, 0, 0),
      silhouette: { mean: 0, exact: true, rows: Uint32Array.of(0, 1, 2), values: Float32Array.of(0, 0, 0) },
    };
    const { clusters } = classPicture({ verdict: screened[0].verdict, picture }, { seed: 1 })!;
    expect(clusters[0].points.toSorted((left, right) => left[0] - right[0])).toEqual([
      [0, 0],
      [1, 0],
      [2, 0],
    ]);
    expect(clusters[1]).toEqual({ points: [], silhouettes: [] });
  });

  it('is thinned to the points that were drawn first', () => {
    const whole = classPicture(screened[1], { seed: 7 })!;
    const thin = thinPicture(whole, 100);
    expect(thin.clusters.reduce((sum, { points }) => sum + points.length, 0)).toBe(100);
    for (const [index, { points }] of thin.clusters.entries()) {
      expect(whole.clusters[index].points.slice(0, points.length)).toEqual(points);
      expect(points.length).toBeGreaterThanOrEqual(25);
    }
    for (const [index, { silhouettes }] of thin.clusters.entries()) {
      const all = whole.clusters[index].silhouettes;
      expect(silhouettes).toHaveLength(25);
      expect(silhouettes.every((value) => all.includes(value))).toBe(true);
      expect(silhouettes).toEqual(silhouettes.toSorted((left, right) => right - left));
    }
  });
});

describe('the gallery of a report', () => {
  const cluster = {
    points: Array.from({ length: 500 }, (_, index): [number, number] => [index, 0]),
    silhouettes: [],
  };
  const picture = (label: number): ClassPicture => ({
    label,
    clusters: [cluster, cluster],
    ordinary_rows: [],
  });
  const verdict = (label: number, evidence: number, kind: 'clean' | 'poisoned'): ClassVerdict => {
    const judged = {
      label,
      examples: 1000,
      separation: 5,
      first_separation: 4,
      evidence,
      silhouette: 0.5,
      silhouette_exact: true,
      outliers: 0,
      clusters: [
        { examples: 500, entropy_bits: 1 },
        { examples: 500, entropy_bits: 2 },
      ] as [{ examples: number; entropy_bits: number }, { examples: number; entropy_bits: number }],
    };
    if (kind === 'clean') return { verdict: 'clean', ...judged };
    const suspects = [{ row: label, score: 1 }];
    return {
      verdict: 'poisoned',
      ...judged,
      poison_cluster: 1,
      direction: 'strong',
      reason: 'evidence',
      suspects,
    };
  };
  const hang = (verdicts: readonly ClassVerdict[]) => {
    const gallery = emptyGallery();
    for (const each of verdicts) addPicture(gallery, each, picture(each.label));
    return chosenPictures(gallery);
  };

  it('has every poisoned class and the closest of the others, sixty in all, whatever the order', () => {
    // Label l has an evidence of l mod 97 / 20, so ties are common; 3 and 700 are poisoned.
    const verdicts = Array.from({ length: 1000 }, (_, label) =>
      verdict(label, (label % 97) / 20, label === 3 || label === 700 ? 'poisoned' : 'clean'),
    );
    const chosen = hang(verdicts);
    const labels = chosen.map(({ label }) => label);
    expect(labels).toHaveLength(60);
    expect(labels).toEqual(labels.toSorted((left, right) => left - right));
    expect(labels).toContain(3);
    expect(labels).toContain(700);
    // By hand: residues 96 to 91 have ten labels each under 1,000 (residues under 30 have eleven): 60 for 58 places.
    const others = labels.filter((label) => label !== 3 && label !== 700);
    expect(others.every((label) => label % 97 >= 91)).toBe(true);
    expect(hang(verdicts.toReversed())).toEqual(chosen);
  });

  it('keeps every poisoned class of a thousand, with fewer points each', () => {
    const chosen = hang(Array.from({ length: 1000 }, (_, label) => verdict(label, 9, 'poisoned')));
    expect(chosen).toHaveLength(1000);
    const points = chosen.map(({ clusters }) => clusters[0].points.length + clusters[1].points.length);
    expect(new Set(points)).toEqual(new Set([60]));
  });

  it('is empty where no class was judged', () => {
    const gallery = emptyGallery();
    addPicture(gallery, { verdict: 'too_small', label: 0, examples: 3 }, undefined);
    expect(chosenPictures(gallery)).toEqual([]);
  });
});

// The rule of one class: by hand, on synthetic poison, and on what cannot be judged.
import { describe, expect, it } from 'vitest';
import {
  poisonCluster,
  reasonOf,
  screenClass,
  screeningRule,
} from '../../../shared/clustering/screen-class.ts';
import { classVerdictSchema } from '../../../shared/contracts/screening.ts';
import { momentsOf, pca, project } from '../../../shared/maths/pca.ts';
import { normal, seededRandom } from '../../../shared/maths/random.ts';
import { syntheticClasses } from '../../helpers/synthetic-classes.ts';

const neurons = 12;
const identity = Float64Array.from({ length: neurons ** 2 }, (_, index) =>
  index % (neurons + 1) === 0 ? 1 : 0,
);
const options = { label: 0, classes: 10, whitening: identity, seed: 1 };

function examplesOf(count: number, poison = 0) {
  const source = syntheticClasses({ classes: 10, neurons, counts: [count], poison: { 0: poison } });
  return source.read(0) as Exclude<ReturnType<typeof source.read>, Promise<unknown>>;
}

describe('reasonOf', () => {
  it('finds none under both thresholds, and one on either', () => {
    expect(reasonOf({ evidence: 3.29, firstSeparation: 6.49 }, screeningRule)).toBeUndefined();
    expect(reasonOf({ evidence: 3.3, firstSeparation: 6.5 }, screeningRule)).toBe('evidence');
    expect(reasonOf({ evidence: 0.2, firstSeparation: 6.5 }, screeningRule)).toBe('first_separation');
  });
});

describe('poisonCluster', () => {
  // log2(9 - 1) = 3 bits: 0.15 of it are 0.45.
  const found = {
    reason: 'evidence' as const,
    entropies: [0.5, 2] as const,
    sizes: Uint32Array.of(270, 30),
    classes: 9,
    rule: screeningRule,
  };

  it('is the one of higher entropy', () => {
    expect(poisonCluster(found)).toEqual({ poison_cluster: 1, direction: 'strong' });
    expect(poisonCluster({ ...found, entropies: [2, 0.5] })).toEqual({
      poison_cluster: 0,
      direction: 'strong',
    });
  });

  it('is the smaller one where the entropies are near each other, and says that this is weak', () => {
    expect(poisonCluster({ ...found, entropies: [2, 1.6] })).toEqual({
      poison_cluster: 1,
      direction: 'weak',
    });
    const turned = { ...found, entropies: [1.9, 2] as const, sizes: Uint32Array.of(30, 270) };
    expect(poisonCluster(turned)).toEqual({ poison_cluster: 0, direction: 'weak' });
    expect(poisonCluster({ ...turned, sizes: Uint32Array.of(150, 150) })).toEqual({
      poison_cluster: 1,
      direction: 'weak',
    });
  });

  it('is the smaller one where only the separation speaks, whose entropy may be the lower one', () => {
    const sure = { ...found, entropies: [1, 0.06] as const };
    expect(poisonCluster({ ...sure, reason: 'first_separation' })).toEqual({
      poison_cluster: 1,
      direction: 'weak',
    });
    expect(poisonCluster(sure)).toEqual({ poison_cluster: 1, direction: 'weak' });
  });
});

describe('screenClass', () => {
  it.each([0.1, 0.5, 0.85])('names a share of %f poison and nothing else', (share) => {
    const { verdict } = screenClass(examplesOf(600, share), options);
    expect(classVerdictSchema.parse(verdict)).toEqual(verdict);
    if (verdict.verdict !== 'poisoned') throw new Error('the class is poisoned');
    const named = verdict.suspects.map(({ row }) => row).sort((left, right) => left - right);
    expect(named).toEqual(Array.from({ length: 600 * share }, (_, row) => row));
    expect(verdict.direction).toBe('strong');
    expect(verdict.suspects.every(({ score }) => score > 0.5)).toBe(true);
    expect(verdict.suspects.map(({ score }) => score)).toEqual(
      verdict.suspects.map(({ score }) => score).sort((left, right) => right - left),
    );
    expect(verdict.clusters[verdict.poison_cluster].examples).toBe(600 * share);
  });

  it('calls a clean class clean', () => {
    const { verdict, picture } = screenClass(examplesOf(600), options);
    expect(verdict).toMatchObject({ verdict: 'clean', label: 0, examples: 600, silhouette_exact: true });
    expect(picture?.components).toBe(10);
    expect(picture?.points).toHaveLength(6000);
  });

  it('calls a class of two subgroups clean where both resemble the same few classes, unless they are far apart', () => {
    const examples = examplesOf(600, 0.4);
    const runnersUp = examples.runnersUp.map(() => 3);
    const far = screenClass({ ...examples, runnersUp }, options).verdict;
    expect(far).toMatchObject({ verdict: 'poisoned', reason: 'first_separation', evidence: 0 });
    // Noise twice as wide as that of the examples takes the separation down by the square root of five.
    const random = seededRandom(9);
    const vectors = examples.vectors.map((value) => value + 2 * normal(random));
    const near = screenClass({ ...examples, vectors, runnersUp }, options).verdict;
    expect(near.verdict).toBe('clean');
    if (near.verdict === 'clean') expect(near.first_separation).toBeGreaterThan(3);
  });

  it('judges by the first component what only that gives away', () => {
    // A gap of twelve deviations cut out of one neuron; the other neurons part the class elsewhere.
    const examples = examplesOf(600, 0.4);
    const runnersUp = examples.runnersUp.map(() => 3);
    const { verdict, picture } = screenClass({ ...examples, runnersUp }, options);
    if (verdict.verdict !== 'poisoned') throw new Error('the class is poisoned');
    expect(verdict.reason).toBe('first_separation');
    expect(verdict.suspects).toHaveLength(240);
    expect(verdict.clusters.map((cluster) => cluster.examples).sort((left, right) => left - right)).toEqual([
      240, 360,
    ]);
    expect(picture!.clusters.filter((cluster) => cluster === verdict.poison_cluster)).toHaveLength(240);
  });

  it('clusters the principal components of the whitened vectors', () => {
    const examples = examplesOf(200, 0.3);
    const scales = Float64Array.from({ length: neurons }, (_, index) => 1 + index / 3);
    const whitening = identity.map((value, index) => value * scales[index % neurons]);
    const white = examples.vectors.map((value, index) => value * scales[index % neurons]);
    const expected = project(white, pca(white, { dimensions: neurons, components: 10 }));
    const { picture } = screenClass(examples, { ...options, whitening });
    for (const [index, value] of expected.entries()) expect(picture!.points[index]).toBeCloseTo(value, 3);
    expect(momentsOf(picture!.points, 10).covariance[1]).toBeCloseTo(0, 4);
  });

  it('does not judge a class under 80 examples, not even one of one', () => {
    expect(screenClass(examplesOf(79), options)).toEqual({
      verdict: { verdict: 'too_small', label: 0, examples: 79 },
    });
    expect(screenClass(examplesOf(1), options).verdict.verdict).toBe('too_small');
    expect(screenClass(examplesOf(80), options).verdict.verdict).toBe('clean');
  });

  it('gives finite numbers for identical rows, and for two places only', () => {
    const examples = examplesOf(100);
    const same = screenClass(
      { ...examples, vectors: new Float32Array(100 * neurons).fill(2) },
      options,
    ).verdict;
    expect(same).toMatchObject({ verdict: 'clean', separation: 0, silhouette: 0 });
    const two = examples.vectors.map((_, index) => Math.floor(index / neurons) % 2);
    const apart = screenClass({ ...examples, vectors: two }, options).verdict;
    expect(classVerdictSchema.parse(apart)).toEqual(apart);
    expect(JSON.parse(JSON.stringify(apart))).toEqual(apart);
  });

  it('repeats itself by its seed', () => {
    const examples = examplesOf(1500, 0.05);
    expect(screenClass(examples, options)).toEqual(screenClass(examples, options));
  });

  it('refuses no examples, vectors that are not finite, labels out of range and a model of two classes', () => {
    const examples = examplesOf(100);
    expect(() => screenClass(examplesOf(0), options)).toThrow(/class 0 has no example/);
    const broken = examples.vectors.slice();
    broken[5 * neurons + 2] = Number.NaN;
    expect(() => screenClass({ ...examples, vectors: broken }, options)).toThrow(
      /vector of example 5 is not finite/,
    );
    expect(() => screenClass(examples, { ...options, label: 10 })).toThrow(/labelled 10/);
    expect(() => screenClass({ ...examples, runnersUp: examples.runnersUp.map(() => 12) }, options)).toThrow(
      /labelled 12/,
    );
    expect(() => screenClass(examples, { ...options, classes: 2 })).toThrow(/at least 3 classes/);
    expect(() => screenClass({ ...examples, vectors: new Float32Array(7) }, options)).toThrow(/elements/);
  });
});

// Activation Clustering on classes whose clusters are known, and its rules by hand.
import { describe, expect, it } from 'vitest';
import {
  activationReductions,
  type ClusteredClass,
  clusterActivations,
  suspectClusters,
} from '../../../gpu-worker/baselines/activation-clustering.ts';
import { normal, seededRandom } from '../../../shared/maths/random.ts';

const neurons = 12;

/** Class 0 is one cloud; class 1 has `poison` rows far off, first; class 2 is one example. */
function training({ poison }: { poison: number }) {
  const random = seededRandom(4);
  const labels = Array.from({ length: 201 }, (_, row) => Math.floor(row / 100));
  const activations = new Float32Array(labels.length * neurons);
  for (const [row, label] of labels.entries()) {
    for (let index = 0; index < neurons; index++) {
      const far = label === 1 && row < 100 + poison && index === 3;
      activations[row * neurons + index] = 4 * label + normal(random) + (far ? 25 : 0);
    }
  }
  return { activations, neurons, labels, classes: 4 };
}

describe('clusterActivations', () => {
  it.each(activationReductions)('parts poison from a class, with %s', (reduction) => {
    const clustered = clusterActivations(training({ poison: 20 }), { reduction, seed: 1 });
    expect(clustered.map(({ label }) => label)).toEqual([0, 1]);
    const { clusters, sizes, rows, silhouette } = clustered[1];
    expect([...sizes].sort((left, right) => left - right)).toEqual([20, 80]);
    const smaller = sizes[0] < sizes[1] ? 0 : 1;
    expect([...rows].filter((_, place) => clusters[place] === smaller)).toEqual(
      Array.from({ length: 20 }, (_, index) => 100 + index),
    );
    expect(silhouette).toBeGreaterThan(clustered[0].silhouette);
  });

  it('gives the same for the same seed', () => {
    const set = training({ poison: 20 });
    const once = clusterActivations(set, { reduction: 'ica', seed: 9 });
    expect(clusterActivations(set, { reduction: 'ica', seed: 9 })).toEqual(once);
  });

  it('parts a class whose activations are all alike into one cluster and an empty one', () => {
    const set = {
      activations: new Float32Array(20).fill(1),
      neurons: 2,
      labels: new Int32Array(10),
      classes: 3,
    };
    const [{ sizes }] = clusterActivations(set, { reduction: 'ica', seed: 1 });
    expect([...sizes].sort((left, right) => left - right)).toEqual([0, 10]);
    const found = suspectClusters(clusterActivations(set, { reduction: 'pca', seed: 1 }), 'smaller');
    expect(found).toEqual({ rows: new Uint32Array(), labels: [] });
  });

  it.each([
    ['no example', { activations: new Float32Array(), labels: [] }, 'no examples'],
    [
      'an activation that is NaN',
      { activations: Float32Array.of(1, 2, Number.NaN, 4), labels: [0, 1] },
      'example 1',
    ],
    ['a label that the model lacks', { activations: new Float32Array(4), labels: [0, 3] }, 'labelled 3'],
  ])('refuses %s', (_, set, detail) => {
    const run = () => clusterActivations({ neurons: 2, classes: 3, ...set }, { reduction: 'pca', seed: 1 });
    expect(run).toThrow(detail);
  });
});

describe('suspectClusters', () => {
  const classOf = (label: number, ones: number, silhouette: number): ClusteredClass => ({
    label,
    rows: Uint32Array.from({ length: 100 }, (_, index) => 100 * label + index),
    clusters: Uint8Array.from({ length: 100 }, (_, index) => (index < ones ? 1 : 0)),
    sizes: [100 - ones, ones],
    silhouette,
  });
  // By hand: class 0 is halved and loose, 1 small and tight, 2 small and loose, 3 has its larger cluster first and is tight.
  const classes = [classOf(0, 49, 0.05), classOf(1, 20, 0.4), classOf(2, 30, 0.05), classOf(3, 60, 0.2)];

  it.each([
    ['smaller', [0, 1, 2, 3]],
    ['relative-size', [1, 2]],
    ['silhouette-scores', [1, 3]],
  ] as const)('flags by %s', (rule, labels) => {
    expect(suspectClusters(classes, rule).labels).toEqual(labels);
  });

  it('suspects the rows of the smaller cluster alone', () => {
    expect([...suspectClusters([classes[1]], 'smaller').rows]).toEqual(
      Array.from({ length: 20 }, (_, row) => 100 + row),
    );
    expect(suspectClusters([classes[3]], 'silhouette-scores').rows[0]).toBe(360);
  });
});

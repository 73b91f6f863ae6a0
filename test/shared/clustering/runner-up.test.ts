// Runner-up labels and their entropy: by hand.
import { describe, expect, it } from 'vitest';
import { runnerUpEntropies, runnerUpLabels } from '../../../shared/clustering/runner-up.ts';

describe('runnerUpLabels', () => {
  it('is the largest logit beside the labelled one, the first of equals', () => {
    const logits = Float32Array.of(9, 1, 2, 9, 1, 2, 9, 1, 2, 5, 5, 5);
    expect([...runnerUpLabels({ logits, labels: [0, 1, 2, 0], classes: 3 })]).toEqual([2, 0, 0, 1]);
  });

  it('takes logits that are infinite', () => {
    const logits = Float32Array.of(1, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY);
    expect([...runnerUpLabels({ logits, labels: [0], classes: 3 })]).toEqual([2]);
  });

  it('refuses labels out of range, NaN, two classes and another size', () => {
    const logits = Float32Array.of(1, 2, 3);
    const refused =
      (labels: number[], given = logits) =>
      () =>
        runnerUpLabels({ logits: given, labels, classes: 3 });
    expect(refused([3])).toThrow(/example 0 is labelled 3, the model has the classes 0 to 2/);
    expect(refused([-1])).toThrow(/labelled -1/);
    expect(refused([0.5])).toThrow(/labelled 0.5/);
    expect(refused([0], Float32Array.of(1, 2, Number.NaN))).toThrow(/NaN/);
    expect(refused([0, 1])).toThrow(/elements/);
    expect(() => runnerUpLabels({ logits: Float32Array.of(1, 2), labels: [0], classes: 2 })).toThrow(
      /at least 3 classes/,
    );
  });
});

describe('runnerUpEntropies', () => {
  it('is 0 for one label and 2 bits for four equally often', () => {
    const runnersUp = Int32Array.of(1, 1, 1, 1, 1, 2, 3, 4);
    const clusters = Uint8Array.of(0, 0, 0, 0, 1, 1, 1, 1);
    expect(runnerUpEntropies({ runnersUp, clusters, seed: 1 })).toEqual([0, 2]);
  });

  it('draws as many of the larger cluster as the smaller has', () => {
    // Of 64 labels that all differ two are drawn: one bit, not six.
    const runnersUp = Int32Array.from({ length: 66 }, (_, row) => row);
    const clusters = Uint8Array.from({ length: 66 }, (_, row) => (row < 2 ? 1 : 0));
    expect(runnerUpEntropies({ runnersUp, clusters, seed: 1 })).toEqual([1, 1]);
  });

  it('repeats its draws by its seed', () => {
    const runnersUp = Int32Array.from({ length: 900 }, (_, row) => (row * row) % 17);
    const clusters = Uint8Array.from({ length: 900 }, (_, row) => (row < 300 ? 1 : 0));
    const entropies = (seed: number) => runnerUpEntropies({ runnersUp, clusters, seed });
    expect(entropies(3)).toEqual(entropies(3));
    expect(entropies(3)).not.toEqual(entropies(4));
  });

  it('is 0 where a cluster is empty', () => {
    expect(
      runnerUpEntropies({ runnersUp: Int32Array.of(1, 2), clusters: Uint8Array.of(0, 0), seed: 1 }),
    ).toEqual([0, 0]);
    expect(runnerUpEntropies({ runnersUp: new Int32Array(0), clusters: new Uint8Array(0), seed: 1 })).toEqual(
      [0, 0],
    );
  });
});

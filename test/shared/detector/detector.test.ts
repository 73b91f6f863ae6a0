import { describe, expect, it } from 'vitest';
import { conformalSamplesNeeded, conformalThreshold } from '../../../shared/detector/conformal-threshold.ts';
import { mlpOfArtefact, mlpScore, packLayer, parameterCount } from '../../../shared/detector/mlp.ts';

const layers = [
  { inputs: 2, outputs: 2, weights: Float32Array.of(1, 2, -1, 1), biases: Float32Array.of(0.5, 0) },
  { inputs: 2, outputs: 2, weights: Float32Array.of(1, 0, 0, 3), biases: Float32Array.of(0, -1) },
];
const mlp = { layers, mean: [1, 0], deviation: [2, 1], clip: 8 };

describe('multi-layer perceptron', () => {
  it('standardises, applies ReLU between layers and answers the difference of its outputs', () => {
    // (3, 1) becomes (1, 1); hidden (3.5, 0); outputs (3.5, -1).
    expect(mlpScore(mlp, [3, 1])).toBe(-4.5);
    // (1, 3) becomes (0, 3); hidden (6.5, 3); outputs (6.5, 8).
    expect(mlpScore(mlp, [1, 3])).toBe(1.5);
  });

  it('clips standardised entries', () => {
    expect(mlpScore(mlp, [1, 1e9])).toBe(mlpScore(mlp, [1, 8]));
  });

  it('counts weights and biases', () => {
    expect(parameterCount(layers)).toBe(12);
  });

  it('survives its artefact to the bit', () => {
    const artefact = {
      vector: { design: 'rank-gaps' as const, length: 2 },
      standardise: { mean: mlp.mean, deviation: mlp.deviation, clip: mlp.clip },
      mlp: { layers: layers.map(packLayer), parameters: 12 },
    };
    expect(mlpOfArtefact(artefact).layers).toEqual(layers);
  });

  it('refuses layers that do not fit each other and vectors of another length', () => {
    const artefact = {
      vector: { design: 'rank-gaps' as const, length: 3 },
      standardise: { mean: [0, 0, 0], deviation: [1, 1, 1], clip: 8 },
      mlp: { layers: layers.map(packLayer), parameters: 12 },
    };
    expect(() => mlpOfArtefact(artefact)).toThrow(/layer 0 reads 2 numbers of 3/);
    expect(() => mlpOfArtefact({ ...artefact, vector: { ...artefact.vector, length: 2 } })).toThrow(
      /standardise/,
    );
    expect(() => mlpScore(mlp, [1])).toThrow(/shape/);
  });
});

describe('conformal threshold', () => {
  it('is the k-th smallest score, k = ceil((n + 1)(1 - target))', () => {
    const scores = Float64Array.from({ length: 99 }, (_, index) => 98 - index);
    expect(conformalThreshold(scores, 0.05)).toEqual({ threshold: 94, rank: 95 });
    expect(conformalThreshold(scores, 0.01)).toEqual({ threshold: 98, rank: 99 });
  });

  it('refuses fewer samples than the target needs and says how many it needs', () => {
    expect(conformalSamplesNeeded(0.05)).toBe(19);
    expect(conformalSamplesNeeded(0.01)).toBe(99);
    expect(() => conformalThreshold(new Float64Array(98), 0.01)).toThrow(/needs at least 99 clean/);
    expect(() => conformalThreshold([], 0.5)).toThrow(/there are 0/);
  });
});

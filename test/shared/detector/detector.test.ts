import { describe, expect, it } from 'vitest';
import { conformalSamplesNeeded, conformalThreshold } from '../../../shared/detector/conformal-threshold.ts';
import {
  type Mlp,
  mlpOfArtefact,
  mlpParameters,
  mlpScore,
  packHead,
  packLayer,
  parameterCount,
  toBase64,
} from '../../../shared/detector/mlp.ts';

const layers = [
  { inputs: 2, outputs: 2, weights: Float32Array.of(1, 2, -1, 1), biases: Float32Array.of(0.5, 0) },
  { inputs: 2, outputs: 2, weights: Float32Array.of(1, 0, 0, 3), biases: Float32Array.of(0, -1) },
];
const mlp = { layers, mean: [1, 0], deviation: [2, 1], clip: 8 };
/** Reads one entry, and behind it a head over the drift of the first of two units and the change of the second. */
const headed: Mlp = {
  ...mlp,
  head: {
    unitMeans: Float32Array.of(0, 2),
    entries: [1, 2],
    mean: [0, 0.5],
    deviation: [1, 2],
    clip: 8,
    layer: { inputs: 2, outputs: 1, weights: Float32Array.of(1, 3), biases: Float32Array.of(0.25) },
  },
};

function headedArtefact() {
  return {
    vector: { length: 7 },
    standardise: { mean: [...headed.mean], deviation: [...headed.deviation], clip: headed.clip },
    mlp: { head: packHead(headed.head!), layers: layers.map(packLayer), parameters: 15 },
  };
}

describe('multi-layer perceptron', () => {
  it('standardises, applies ReLU between layers and answers the difference of its outputs', () => {
    // (3, 1) becomes (1, 1); hidden (3.5, 0); outputs (3.5, -1).
    expect(mlpScore(mlp, [3, 1])).toBe(-4.5);
    // (1, 3) becomes (0, 3); hidden (6.5, 3); outputs (6.5, 8).
    expect(mlpScore(mlp, [1, 3])).toBe(1.5);
  });

  it('with a head reads its score behind the rest of the vector', () => {
    // Changes 0.5 and 0.25, drifts 0.5 and 0, sizes 1 and 3, in that order.
    const vector = [3, 0.5, 0.25, 0.5, 0, 1, 3];
    const change = Math.log(0.25 / (3 + 0.05 * 2 + 1e-3) + 1e-4);
    const drift = Math.asinh((5 * 0.5) / (1 + 1e-3));
    const score = 0.25 + change + 3 * ((drift - 0.5) / 2);
    expect(mlpScore(headed, vector)).toBeCloseTo(mlpScore(mlp, [3, score]), 5);
    expect(mlpParameters(headed)).toBe(mlpParameters(mlp) + 3);
    expect(() => mlpScore(headed, vector.slice(1))).toThrow(/vector has 6 elements/);
    expect(mlpScore(headed, [3, Number.NaN, Number.NaN, 0.5, 0, 1, 3])).toBeNaN();
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

  it('with a head survives its artefact to the bit', () => {
    const artefact = headedArtefact();
    expect(mlpOfArtefact(artefact)).toEqual(headed);
  });

  it.each([
    ['a head of two outputs', { layer: packLayer(layers[0]) }, /makes 2 numbers of 2 instead of 1/],
    ['entries that fall', { entries: [2, 1] }, /do not rise within the 4/],
    ['an entry twice', { entries: [1, 1] }, /do not rise within the 4/],
    ['an entry of no unit', { entries: [1, 4] }, /do not rise within the 4/],
    ['another number of entries', { entries: [1] }, /numbers of 2 instead of 1 of 1/],
    ['a negative mean', { unit_means: toBase64(Float32Array.of(-1, 2)) }, /negative or no number/],
    ['another number of units', { unit_means: toBase64(Float32Array.of(1, 1, 1)) }, /layer 0 reads/],
    ['a short standardisation', { standardise: { mean: [0], deviation: [1], clip: 8 } }, /standardise/],
  ])('refuses %s', (_name, change, message) => {
    const artefact = headedArtefact();
    Object.assign(artefact.mlp.head, change);
    expect(() => mlpOfArtefact(artefact)).toThrow(
      expect.objectContaining({ code: 'invalid_artefact', message: expect.stringMatching(message) }),
    );
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

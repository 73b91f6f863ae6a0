// STRIP on a linear model, whose entropies have a closed form.
import { describe, expect, it } from 'vitest';
import { stripEntropies, stripThreshold, suspectEntropies } from '../../../gpu-worker/baselines/strip.ts';
import { linearTarget } from './linear-target.ts';

const target = linearTarget([2, -1], { inputShape: [2], range: [0, 1] });

/** Entropy of a Bernoulli variable whose odds are exp(logit), in bits. */
function bits(logit: number): number {
  const share = 1 / (1 + Math.exp(-logit));
  return -share * Math.log2(share) - (1 - share) * Math.log2(1 - share);
}

describe('stripEntropies', () => {
  it('is the mean entropy of the answers to the sums, clipped to the range', async () => {
    const inputs = Float32Array.of(0.5, 0.25, 0, 0);
    const overlays = Float32Array.of(0.25, 0.5, 0.75, 0);
    const entropies = await stripEntropies(target, inputs, { overlays, copies: 2, seed: 1 });
    // By hand: 2 (0.75) - 0.75 and 2 (1) - 0.25 for the first, 2 (0.25) - 0.5 and 2 (0.75) - 0 for the second.
    expect(entropies[0]).toBeCloseTo((bits(0.75) + bits(1.75)) / 2, 6);
    expect(entropies[1]).toBeCloseTo((bits(0) + bits(1.5)) / 2, 6);
  });

  it('is lower for an input that decides alone', async () => {
    const stubborn = linearTarget([60, -1], { inputShape: [2], range: [0, 1] });
    const overlays = Float32Array.of(0, 0.9, 0.01, 0.8, 0, 0.2);
    const inputs = Float32Array.of(1, 0, 0, 0.1);
    const [triggered, clean] = await stripEntropies(stubborn, inputs, { overlays, copies: 3, seed: 1 });
    expect(triggered).toBeLessThan(1e-6);
    expect(clean).toBeGreaterThan(0.3);
  });

  it('adds light over the darkest value where the range does not begin at 0', async () => {
    const signed = linearTarget([1, 0], { inputShape: [2], range: [-1, 1] });
    const overlays = Float32Array.of(-1, -1);
    const [entropy] = await stripEntropies(signed, Float32Array.of(0.5, 0), { overlays, copies: 1, seed: 1 });
    expect(entropy).toBeCloseTo(bits(0.5), 6);
  });

  it('answers no rows with no entropies and refuses too few overlays', async () => {
    const overlays = new Float32Array(4);
    expect(await stripEntropies(target, new Float32Array(), { overlays, copies: 2, seed: 1 })).toHaveLength(
      0,
    );
    const run = stripEntropies(target, new Float32Array(2), { overlays, copies: 3, seed: 1 });
    await expect(run).rejects.toThrow('3 overlays are drawn, there are 2');
  });
});

describe('stripThreshold', () => {
  it('leaves at most the wanted share of clean inputs under it', () => {
    // By hand: one of ten clean entropies lies under the second lowest, none under the lowest.
    const clean = Float64Array.of(5, 1, 9, 2, 3, 4, 6, 7, 8, 10);
    expect(stripThreshold(clean, 0.1)).toBe(2);
    expect(stripThreshold(clean, 0.09)).toBe(1);
    expect(suspectEntropies(clean, stripThreshold(clean, 0.1)).rows).toHaveLength(1);
  });

  it('suspects what lies under it', () => {
    const { rows, labels } = suspectEntropies(Float64Array.of(0.1, 2, 0.3), 0.3);
    expect([...rows]).toEqual([0]);
    expect(labels).toBeUndefined();
  });
});

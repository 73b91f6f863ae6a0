import { describe, expect, it } from 'vitest';
import { logitMarginBaseline } from '../../../gpu-worker/baselines/logit-margin.ts';
import { maximumSoftmaxBaseline } from '../../../gpu-worker/baselines/maximum-softmax.ts';
import { softmax } from '../../../gpu-worker/baselines/softmax.ts';
import { linearTarget } from './linear-target.ts';

const target = linearTarget([1, 2], { inputShape: [2], range: [-1000, 1000] });
// w . x is 3, -1, 0 and 200.
const inputs = Float32Array.of(1, 1, 1, -1, 2, -1, 0, 100);

describe('softmax', () => {
  it('sums to 1, whatever the size of the logits', () => {
    // By hand: e^0 : e^ln 3 is 1 : 3.
    const [first, second] = softmax([1000, 1000 + Math.log(3)]);
    expect(first).toBeCloseTo(0.25, 12);
    expect(second).toBeCloseTo(0.75, 12);
    expect([...softmax([5])]).toEqual([1]);
    expect([...softmax([0, -1e30])]).toEqual([1, 0]);
  });
});

describe('the logit margin', () => {
  it('is negated, so that the boundary scores highest, at one pass an input', async () => {
    const { scores, passesPerInput } = await logitMarginBaseline(target, inputs);
    expect([...scores].map((score) => score + 0)).toEqual([-3, -1, 0, -200]);
    expect(passesPerInput).toBe(1);
  });

  it('takes no inputs, and refuses NaN and parts of a row', async () => {
    const none = await logitMarginBaseline(target, new Float32Array(0));
    expect([none.scores.length, none.passesPerInput]).toEqual([0, 0]);
    await expect(logitMarginBaseline(target, Float32Array.of(0, Number.NaN))).rejects.toThrow(/not finite/);
    await expect(logitMarginBaseline(target, Float32Array.of(0))).rejects.toThrow(/inputs has 1 elements/);
  });
});

describe('the maximum softmax', () => {
  it('is the logarithm of the odds against the label', async () => {
    const { scores } = await maximumSoftmaxBaseline(target, inputs);
    // With two classes the odds against are e^-margin.
    for (const [row, margin] of [3, 1, 0, 200].entries()) expect(scores[row]).toBeCloseTo(-margin, 5);
    expect(1 / (1 + Math.exp(-scores[0]))).toBeCloseTo(1 - softmax([3, 0])[0], 6);
  });

  it('orders inputs whose probability rounds to 1', async () => {
    const { scores } = await maximumSoftmaxBaseline(target, Float32Array.of(0, 100, 0, 200));
    expect(scores[0]).toBeGreaterThan(scores[1]);
  });
});

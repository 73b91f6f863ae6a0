import { describe, expect, it } from 'vitest';
import { jsma } from '../../../gpu-worker/attacks/jsma.ts';
import { linearTarget } from './linear-target.ts';

// Class 1 gains 3, -2, 1 and 0.1 by a change of the four elements: the first pair is elements 0 (up) and 1 (down).
const model = {
  weights: [
    [0, 0, 0, 0],
    [3, -2, 1, 0.1],
  ],
  inputShape: [4],
  range: [0, 1] as const,
};
const target = linearTarget(model);
const attacked = { inputs: Float32Array.of(0, 0.9, 0, 0), labels: [0] };

describe('JSMA', () => {
  it('moves the two elements of largest saliency, each in its own direction, until the label changes', async () => {
    // w . x is -1.8 and gains 0.5 with each step of 0.1 in both: wrong after the fourth step, at 0.2.
    const { inputs, success } = await jsma(target, attacked, { gamma: 1 });
    expect([...success]).toEqual([1]);
    for (const [element, expected] of [0.4, 0.5, 0, 0].entries())
      expect(inputs[element]).toBeCloseTo(expected, 6);
  });

  it('turns to the next elements where one has moved as often as it may', async () => {
    // After three steps w . x is -0.3; the other two gain 0.11 a step, so it takes three more.
    const { inputs } = await jsma(target, attacked, { gamma: 1, changesMax: 3 });
    for (const [element, expected] of [0.3, 0.6, 0.3, 0.3].entries())
      expect(inputs[element]).toBeCloseTo(expected, 6);
  });

  it('changes no more elements than gamma allows, at least a pair', async () => {
    const { inputs, success } = await jsma(target, attacked, { gamma: 0.5, changesMax: 3 });
    expect([...success]).toEqual([0]);
    expect([...inputs.subarray(2)]).toEqual([0, 0]);
  });

  it('stays within the range where theta is the whole of it', async () => {
    const { inputs } = await jsma(target, attacked, { theta: 1 });
    expect([...inputs]).toEqual([1, 0, 0, 0]);
  });

  it('stops after as many steps as it is given', async () => {
    const { inputs, success } = await jsma(target, attacked, { steps: 1 });
    expect([...success]).toEqual([0]);
    expect(inputs[0]).toBeCloseTo(0.1, 6);
  });
});

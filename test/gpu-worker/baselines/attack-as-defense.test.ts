import { describe, expect, it } from 'vitest';
import { attackAsDefense } from '../../../gpu-worker/baselines/attack-as-defense.ts';
import { linearTarget } from './linear-target.ts';

// A step of s moves w . x by s |w|_1 = 4 s towards the boundary.
const model = () => linearTarget([2, -1, 1], { inputShape: [3], range: [-10, 10] });
// w . x is 2, 7, -2 and 0.1.
const inputs = Float32Array.of(1, 0, 0, 3, 1, 2, -1, 0, 0, 0.05, 0, 0);

describe('attack as defense', () => {
  it('scores minus the steps that leave the label', async () => {
    const { scores } = await attackAsDefense(model(), inputs, { step: 0.3, stepsMax: 50 });
    // By hand: w . x passes 0 after 2 / 1.2, 7 / 1.2, 2 / 1.2 and 0.1 / 1.2 steps, rounded up.
    expect([...scores]).toEqual([-2, -6, -2, -1]);
  });

  it('counts an input that keeps its label as one step more than it may take', async () => {
    const { scores } = await attackAsDefense(model(), inputs, { step: 0.3, stepsMax: 2 });
    expect([...scores]).toEqual([-2, -3, -2, -1]);
    const bounded = linearTarget([2, -1, 1], { inputShape: [3], range: [0.4, 0.6] });
    const still = await attackAsDefense(bounded, Float32Array.of(0.6, 0.4, 0.6), { step: 0.3, stepsMax: 4 });
    expect([...still.scores]).toEqual([-5]);
  });

  it('says what it cost: a gradient is three passes', async () => {
    const target = model();
    const { passesPerInput } = await attackAsDefense(target, inputs, { step: 0.3, stepsMax: 50 });
    // One forward pass for each label; the gradients of 2, 6, 2 and 1 steps, and one more that shows the last step's label.
    expect(target.asked).toEqual({ forwards: 4, gradients: 2 + 6 + 2 + 1 + 4 });
    expect(passesPerInput).toBeCloseTo((4 + 3 * 15) / 4, 12);
  });

  it('takes one row and none, and refuses NaN', async () => {
    const options = { step: 0.3, stepsMax: 5 };
    expect([...(await attackAsDefense(model(), inputs.subarray(0, 3), options)).scores]).toEqual([-2]);
    expect((await attackAsDefense(model(), new Float32Array(0), options)).passesPerInput).toBe(0);
    await expect(attackAsDefense(model(), Float32Array.of(0, 0, Number.NaN), options)).rejects.toThrow(
      /not finite/,
    );
  });
});

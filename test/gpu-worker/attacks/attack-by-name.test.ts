import { describe, expect, it } from 'vitest';
import { attackNames, attacksByName } from '../../../gpu-worker/attacks/attack-by-name.ts';
import { type Asked, linearTarget } from './linear-target.ts';

// Ten classes over an image of 4 x 5: every class is the largest somewhere in the range.
const weights = Array.from({ length: 10 }, (_, k) =>
  Array.from({ length: 20 }, (_, element) => (element % 10 === k ? 1 : -0.1) * (element < 10 ? 1 : 0.6)),
);
const model = { weights, inputShape: [1, 4, 5], range: [-0.5, 1.5] as const };
const inputs = new Float32Array(3 * 20);
for (const [row, label] of [0, 4, 9].entries()) inputs[row * 20 + label] = 0.9;
const attacked = { inputs, labels: [0, 4, 9] };
const options = { epsilon: 0.6, seed: 5 };

describe.each(attackNames)('the attack %s', (name) => {
  it('gives inputs in the range, and calls a success what the model gets wrong', async () => {
    const target = linearTarget(model);
    const { inputs: tried, success, epsilon, l2 } = await attacksByName[name].run(target, attacked, options);
    expect(Math.min(...tried)).toBeGreaterThanOrEqual(-0.5);
    expect(Math.max(...tried)).toBeLessThanOrEqual(1.5);
    const logits = await target.logits(tried);
    for (const [row, label] of attacked.labels.entries()) {
      const own = [...logits.subarray(row * 10, row * 10 + 10)];
      expect(success[row]).toBe(own.indexOf(Math.max(...own)) === label ? 0 : 1);
      expect(epsilon[row] > 0 && l2[row] >= epsilon[row]).toBe(success[row] === 1);
    }
    if (!name.endsWith('-noise')) expect(success.includes(1)).toBe(true);
  });

  it('gives the same examples for the same seed', async () => {
    const run = () => attacksByName[name].run(linearTarget(model), attacked, options);
    expect(await run()).toEqual(await run());
  });

  it('gives a row the same example whatever rows stand beside it', async () => {
    const target = linearTarget(model);
    const alone = { inputs: inputs.slice(0, 20), labels: [0] };
    const first = (await attacksByName[name].run(target, alone, options)).inputs;
    const together = (await attacksByName[name].run(target, attacked, options)).inputs;
    expect(together.subarray(0, 20)).toEqual(first);
  });

  it('stays within its budget where it never succeeds, and says so', async () => {
    const asked: Asked = { forwards: 0, gradients: 0 };
    // Every input has class 0, whatever it is.
    const constant = linearTarget({ ...model, weights: weights.map((row) => row.map(() => 0)) }, asked);
    const { success, epsilon, l2 } = await attacksByName[name].run(
      constant,
      { inputs: inputs.slice(0, 20), labels: [0] },
      options,
    );
    expect([success[0], epsilon[0], l2[0]]).toEqual([0, 0, 0]);
    expect(asked.forwards).toBeLessThanOrEqual(attacksByName[name].budget.forwards);
    expect(asked.gradients).toBeLessThanOrEqual(attacksByName[name].budget.gradients);
  });

  it('takes no input at all', async () => {
    const none = { inputs: new Float32Array(0), labels: [] };
    const { inputs: tried, success } = await attacksByName[name].run(linearTarget(model), none, options);
    expect([tried.length, success.length]).toEqual([0, 0]);
  });
});

describe('the budget of an attack', () => {
  it.each(attackNames)('holds for %s where the model is hard to break', async (name) => {
    const asked: Asked = { forwards: 0, gradients: 0 };
    const target = linearTarget(model, asked);
    // The label's logit leads by more than any change within the range can take away.
    const sure = { ...target, ...liftedLabel(target, 1000) };
    const { success } = await attacksByName[name].run(
      sure,
      { inputs: inputs.slice(0, 20), labels: [0] },
      options,
    );
    expect([...success]).toEqual([0]);
    expect(asked.forwards).toBeLessThanOrEqual(attacksByName[name].budget.forwards);
    expect(asked.gradients).toBeLessThanOrEqual(attacksByName[name].budget.gradients);
  });
});

/** The same target with the logit of class 0 lifted; gradients stay as they are. */
function liftedLabel(target: ReturnType<typeof linearTarget>, lift: number) {
  const lifted = (logits: Float32Array) =>
    logits.map((value, index) => value + (index % 10 === 0 ? lift : 0));
  const withLift = async (answer: ReturnType<typeof target.margin>) => {
    const { logits, gradient } = await answer;
    return { logits: lifted(logits), gradient };
  };
  return {
    logits: async (tried: Float32Array) => lifted(await target.logits(tried)),
    crossEntropy: (tried: Float32Array, labels: ArrayLike<number>) =>
      withLift(target.crossEntropy(tried, labels)),
    margin: (tried: Float32Array, labels: ArrayLike<number>) => withLift(target.margin(tried, labels)),
    vectorJacobian: (tried: Float32Array, seeds: Float32Array) =>
      withLift(target.vectorJacobian(tried, seeds)),
  };
}

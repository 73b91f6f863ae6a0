import { describe, expect, it } from 'vitest';
import { type AttackedRow, attackEach, rowRandom } from '../../../gpu-worker/attacks/attack-each.ts';
import { linearTarget } from './linear-target.ts';

const model = {
  weights: [
    [1, 0],
    [0, 1],
  ],
  inputShape: [2],
  range: [0, 1] as const,
};
const rowsOf = (count: number) => ({
  inputs: Float32Array.from({ length: 2 * count }, (_, index) => (index % 2 === 0 ? 1 : 0)),
  labels: Array.from({ length: count }, () => 0),
});
/** Asks as often as the row's number says, then shows the other class's corner. */
const patient = async ({ row, input, margin }: AttackedRow) => {
  for (let question = 0; question < row % 7; question++) await margin(input);
  return Float32Array.of(0, 1);
};

describe('attacking each input', () => {
  it('asks for many rows in one question', async () => {
    const sizes: number[] = [];
    const target = linearTarget(model);
    const counted = {
      ...target,
      margin(inputs: Float32Array, labels: ArrayLike<number>) {
        sizes.push(labels.length);
        return target.margin(inputs, labels);
      },
    };
    await attackEach(counted, rowsOf(16), {
      async attack({ input, margin }) {
        await margin(input);
        return input;
      },
    });
    expect(sizes).toEqual([16]);
  });

  it.each([0, 1, 17, 600])('gives each of %i rows its own example', async (count) => {
    const { inputs, success } = await attackEach(linearTarget(model), rowsOf(count), { attack: patient });
    expect(success).toEqual(new Uint8Array(count).fill(1));
    expect(inputs).toEqual(Float32Array.from({ length: 2 * count }, (_, index) => index % 2));
  });

  it('answers each row with its own logits and gradients', async () => {
    const attacked = { inputs: Float32Array.of(0.25, 0.5, 0.75, 1), labels: [1, 1] };
    const seen: number[][] = [];
    await attackEach(linearTarget(model), attacked, {
      async attack({ row, input, vectorJacobian }) {
        const seeds = row === 0 ? Float32Array.of(1, 0) : Float32Array.of(0, 1, 2, -1);
        const { logits, gradient } = await vectorJacobian(input, seeds);
        seen[row] = [...logits, ...gradient];
        return input;
      },
    });
    expect(seen).toEqual([
      [0.25, 0.5, 1, 0],
      [0.75, 1, 0, 1, 2, -1],
    ]);
  });

  it('passes on what the model refuses, and stops asking', async () => {
    let questions = 0;
    const target = {
      ...linearTarget(model),
      margin: async () => {
        questions++;
        throw new Error('the worker is gone');
      },
    };
    await expect(attackEach(target, rowsOf(40), { attack: patient })).rejects.toThrow('the worker is gone');
    expect(questions).toBeLessThanOrEqual(3);
  });

  it('takes no input that is not a number for an example', async () => {
    const attack = async () => Float32Array.of(Number.NaN, 1);
    const { success, epsilon, l2 } = await attackEach(linearTarget(model), rowsOf(1), { attack });
    expect([success[0], epsilon[0], l2[0]]).toEqual([0, 0, 0]);
  });

  it('refuses inputs that do not fit the labels', async () => {
    const attacked = { inputs: new Float32Array(5), labels: [0, 0] };
    await expect(attackEach(linearTarget(model), attacked, { attack: patient })).rejects.toThrow(
      'attacked inputs has 5 elements',
    );
  });

  it('draws the same numbers for a row whatever stands beside it', () => {
    expect(rowRandom(3, 5)()).toBe(rowRandom(3, 5)());
    expect(rowRandom(3, 5)()).not.toBe(rowRandom(3, 6)());
    expect(rowRandom(3, 5)()).not.toBe(rowRandom(4, 5)());
  });
});

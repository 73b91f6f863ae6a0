import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { measureCosts, quartiles } from '../../../gpu-worker/evaluate/measure-costs.ts';
import type { ScoringMethod } from '../../../gpu-worker/evaluate/scoring-method.ts';
import { tableCostsSchema } from '../../../shared/contracts/detection-table.ts';
import { linearTarget } from '../attacks/linear-target.ts';

const inputs = {
  name: 'four',
  inputs: Float32Array.of(0, 0, 0, 1, 1, 0, 1, 1),
  inputShape: [2],
  labels: Int32Array.of(0, 1, 0, 1),
};

describe('the time of every way of scoring', () => {
  it('is relative to a forward pass of the same round, and counts a gradient as what it took', async () => {
    const slow = (milliseconds: number) => () => setTimeout(milliseconds, new Float32Array(2));
    const plain = linearTarget({
      weights: [
        [1, 0],
        [0, 1],
      ],
      inputShape: [2],
      range: [0, 1],
    });
    const target = {
      ...plain,
      logits: slow(4),
      crossEntropy: () => setTimeout(8, { logits: new Float32Array(2), gradient: new Float32Array(2) }),
    };
    const asked: string[] = [];
    const method = (name: string, milliseconds: number, gradients: number): ScoringMethod => ({
      name,
      score: async () => [],
      scoreAlone: async (input) => {
        asked.push(`${name} ${input.join()}`);
        await setTimeout(milliseconds);
        return { forwards: 3, gradients };
      },
    });
    const methods = [method('cheap', 4, 0), method('dear', 40, 2)];
    const costs = await measureCosts({ methods, target, inputs, device: 'this' }, () => {});
    expect(tableCostsSchema.parse(costs)).toEqual(costs);
    expect(costs.inputs).toBe(4);
    // Timers come late by about a millisecond, and by more on a busy machine.
    expect(costs.methods.dear.ratio.median / costs.methods.cheap.ratio.median).toBeGreaterThan(3);
    expect(costs.methods.cheap.ratio.median).toBeLessThan(4);
    expect(costs.methods.dear.mean_ratio / costs.methods.cheap.mean_ratio).toBeGreaterThan(3);
    expect(costs.methods.cheap.forwards).toBeCloseTo(3, 6);
    expect(costs.methods.dear.forwards).toBeCloseTo(3 + 2 * costs.gradient_ratio.median, 6);
    // After the warm-up each input is judged once by each, and not always by the same one first.
    const judged = asked.slice(-8);
    expect(judged.toSorted()).toEqual(
      ['0,0', '0,1', '1,0', '1,1'].flatMap((input) => [`cheap ${input}`, `dear ${input}`]).sort(),
    );
    const firsts = judged.filter((_, place) => place % 2 === 0).map((text) => text.split(' ')[0]);
    expect(new Set(firsts).size).toBe(2);
  });

  it('is told by quartiles', () => {
    // By hand, linear between neighbours: of 1 to 5 they are 2, 3 and 4; of 1 and 2 they are 1.25, 1.5 and 1.75.
    expect(quartiles([5, 1, 4, 2, 3])).toEqual({ median: 3, quartiles: [2, 4] });
    expect(quartiles([2, 1])).toEqual({ median: 1.5, quartiles: [1.25, 1.75] });
    expect(quartiles([7])).toEqual({ median: 7, quartiles: [7, 7] });
  });
});

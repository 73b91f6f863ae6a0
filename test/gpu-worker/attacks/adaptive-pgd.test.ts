import { describe, expect, it } from 'vitest';
import { adaptivePgd, jointLossDefaults } from '../../../gpu-worker/attacks/adaptive-pgd.ts';
import type { AttackTarget } from '../../../gpu-worker/attacks/attack-target.ts';
import { knownCopies, secretCopies } from '../../../gpu-worker/attacks/copy-draws.ts';
import { jointLoss, type KnownDetector } from '../../../gpu-worker/attacks/joint-loss.ts';
import { importNoiseKeyHex } from '../../../shared/noise/noise-key.ts';
import { linear, linearDetector, linearPlan } from '../../helpers/linear-guard.ts';

const key = await importNoiseKeyHex('5'.repeat(64));

describe('PGD on a linear model and its detector', () => {
  const inputs = Float32Array.of(0.6, 0.4);
  const attack = async (detector: KnownDetector, epsilon: number) =>
    adaptivePgd(linear as AttackTarget, detector, {
      inputs,
      labels: [0],
      epsilon,
      steps: 40,
      seed: 1,
      copies: await knownCopies(linearPlan, { key, inputSize: 2 }),
    });

  it('stays within the ball, and succeeds above the margin and not below it', async () => {
    // The boundary a = b lies 0.1 away in the max norm.
    const detector = linearDetector(1, 9);
    expect((await attack(detector, 0.09)).success[0]).toBe(0);
    const { success, inputs: tried } = await attack(detector, 0.2);
    expect(success[0]).toBe(1);
    for (const [index, value] of tried.entries())
      expect(Math.abs(value - inputs[index])).toBeLessThanOrEqual(0.2 + 1e-6);
  });

  it('goes on past the boundary until the detector is content', async () => {
    // |change| <= 4 * 0.2, so v <= ln(0.8 / gap): a gap of 1.2 is passed at ln(0.8 / 1.21 + 1e-4) = -0.41 at the latest.
    const found = await attack(linearDetector(1, -0.3), 0.4);
    expect(found.success[0]).toBe(1);
    const [a, b] = found.inputs;
    const draws = [await (await knownCopies(linearPlan, { key, inputSize: 2 }))(found.inputs)];
    const [{ settled }] = await jointLoss(linear as AttackTarget, linearDetector(1, -0.3), {
      inputs: [found.inputs],
      labels: [0],
      detectorWeights: [1],
      draws,
      ...jointLossDefaults,
    });
    expect({ settled, wrong: b > a }).toEqual({ settled: true, wrong: true });
  });

  it('says that steps had no gradient where the model gives none', async () => {
    const flat = {
      ...linear,
      vectorJacobian: async (x: Float32Array, seeds: Float32Array) => ({
        logits: x,
        gradient: seeds.map(() => 0),
      }),
    };
    const { zeroGradients, success } = await adaptivePgd(flat as AttackTarget, linearDetector(1, 9), {
      inputs,
      labels: [0],
      epsilon: 0.05,
      steps: 3,
      seed: 1,
      copies: await knownCopies(linearPlan, { key, inputSize: 2 }),
    });
    expect({ zeroGradients, success: success[0] }).toEqual({ zeroGradients: 1, success: 0 });
  });

  it('gives the same examples for the same seed', async () => {
    const secret = () => secretCopies(linearPlan, { draws: 3, seed: 4, inputSize: 2 });
    const once = async () =>
      (
        await adaptivePgd(linear as AttackTarget, linearDetector(1, -0.3), {
          inputs,
          labels: [0],
          epsilon: 0.3,
          steps: 10,
          seed: 1,
          copies: await secret(),
        })
      ).inputs;
    expect(await once()).toEqual(await once());
  });
});

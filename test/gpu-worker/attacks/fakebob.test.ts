import { describe, expect, it } from 'vitest';
import { judge } from '../../../gpu-worker/attacks/attack.ts';
import { fakebob } from '../../../gpu-worker/attacks/fakebob.ts';
import { runAttack } from '../../../gpu-worker/attacks/run-attack.ts';
import { roundSamples, waveformAttacks } from '../../../gpu-worker/attacks/waveform-attacks.ts';
import { normal, seededRandom } from '../../../shared/maths/random.ts';
import { type Asked, linearTarget } from './linear-target.ts';

// A waveform of 40 samples; the first class is its mean, the second a constant that 40 epsilon of a sample can reach.
const size = 40;
const wave = new Float32Array(size).fill(0.01);
const model = {
  weights: [Array.from({ length: size }, () => 1 / size), Array.from({ length: size }, () => -1 / size)],
  inputShape: [size],
  range: [-1, 1] as const,
};
const one = { inputs: wave, labels: [0] };

describe('FAKEBOB', () => {
  it('turns what the ball lets it turn, by scores alone and within its queries', async () => {
    const asked: Asked = { forwards: 0, gradients: 0 };
    const target = linearTarget(model, asked);
    const found = await fakebob(target, one, { epsilon: 0.012, queries: 1500, seed: 3 });
    expect([...found.success]).toEqual([1]);
    expect(found.epsilon[0]).toBeLessThanOrEqual(0.012 + 1e-6);
    expect(asked.gradients).toBe(0);
    // Judging the result is one more.
    expect(asked.forwards).toBeLessThanOrEqual(1501);
  });

  it('has no success where the ball holds none, and does not say otherwise', async () => {
    const asked: Asked = { forwards: 0, gradients: 0 };
    const target = linearTarget(model, asked);
    const found = await fakebob(target, one, { epsilon: 0.008, queries: 400, seed: 3 });
    expect([found.success[0], found.epsilon[0]]).toEqual([0, 0]);
    expect(asked.forwards).toBeLessThanOrEqual(401);
    for (const value of found.inputs) expect(Math.abs(value - 0.01)).toBeLessThanOrEqual(0.008 + 1e-6);
  });

  it('leaves an input alone that the model already gets wrong', async () => {
    const found = await fakebob(linearTarget(model), { ...one, labels: [1] }, { epsilon: 0.002, seed: 3 });
    expect([...found.inputs]).toEqual([...wave]);
    expect([...found.success]).toEqual([1]);
  });
});

describe('attacks on waveforms', () => {
  it('give samples of 16 bits, and count only what is still wrong after rounding', async () => {
    const target = linearTarget(model);
    const run = waveformAttacks(runAttack);
    const random = seededRandom(4);
    const waves = Float32Array.from({ length: 12 * size }, () => 0.01 + 0.002 * normal(random));
    const twelve = { inputs: waves, labels: new Int32Array(12) };
    for (const attack of ['fgsm', 'pgd', 'carlini-wagner'] as const) {
      const found = await run(attack, target, twelve, { epsilon: 0, seed: 1 });
      // The smallest examples lie on the boundary, so rounding undoes some.
      expect(found.success.includes(1), attack).toBe(true);
      // It lies at a change of 0.01: searches that step by the whole range would end far beyond.
      expect(Math.max(...found.epsilon), attack).toBeLessThan(0.0125);
      expect([...found.inputs].every((value) => Number.isInteger(value * 32_768))).toBe(true);
      expect(await judge(target, twelve, found.inputs)).toEqual(found);
    }
    // A success that rounding undoes is none: the boundary is crossed by less than half a step.
    const barely = await run(
      'fgsm-fixed',
      target,
      { inputs: roundSamples(wave), labels: [0] },
      {
        epsilon: 328.3 / 32_768,
        seed: 1,
      },
    );
    expect([...barely.success]).toEqual([0]);
  });

  it('follow the margin where the cross-entropy has no gradient left', async () => {
    const steep = linearTarget({
      ...model,
      weights: model.weights.map((row) => row.map((value) => 1e5 * value)),
    });
    const plain = await runAttack('fgsm-fixed', steep, one, { epsilon: 0.012, seed: 1 });
    const found = await waveformAttacks(runAttack)('fgsm-fixed', steep, one, { epsilon: 0.012, seed: 1 });
    expect([plain.success[0], found.success[0]]).toEqual([0, 1]);
  });
});

describe('rounding samples', () => {
  it('stays within what 16 bits hold', () => {
    expect([...roundSamples(Float32Array.of(1, -1, 2, 0.5 / 32_768, 0.4 / 32_768))]).toEqual([
      32_767 / 32_768,
      -1,
      32_767 / 32_768,
      1 / 32_768,
      0,
    ]);
  });
});

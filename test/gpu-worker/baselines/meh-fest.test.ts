import { describe, expect, it } from 'vitest';
import { mehFest } from '../../../gpu-worker/baselines/meh-fest.ts';
import { normal, seededRandom } from '../../../shared/maths/random.ts';

const samples = 1024;
const tone = (hertz: number) =>
  Float32Array.from({ length: samples }, (_, at) => 0.1 * Math.sin((2 * Math.PI * hertz * at) / 8_000));
const score = (inputs: Float32Array) => mehFest({ inputs, samples })[0];

describe('MEH-FEST', () => {
  it('is low for a low tone, high for a high one', () => {
    expect(score(tone(3_500)) - score(tone(500))).toBeGreaterThan(8);
  });

  it('reads the quietest frame: one silent frame makes a loud high tone quiet', () => {
    const broken = tone(3_500).fill(0, 300, 700);
    expect(score(broken)).toBeCloseTo(Math.log(1e-12), 6);
  });

  it('is the energy of the windowed transform of the upper quarter', () => {
    // By hand: a frame of an impulse has the spectrum 1 x its window everywhere; 32 bins of 256, and the window is 1 at 128.
    const impulse = new Float32Array(256);
    impulse[128] = 0.5;
    expect(mehFest({ inputs: impulse, samples: 256 })[0]).toBeCloseTo(Math.log(32 * 0.25), 6);
  });

  it('rises with noise that is no attack', () => {
    const random = seededRandom(1);
    const noisy = tone(500).map((value) => value + 0.002 * normal(random));
    expect(score(noisy) - score(tone(500))).toBeGreaterThan(2);
  });

  it('gives each row its own score, none for no rows, and refuses what is too short or no number', () => {
    const both = new Float32Array(2 * samples);
    both.set(tone(500));
    both.set(tone(3_500), samples);
    expect([...mehFest({ inputs: both, samples })]).toEqual([score(tone(500)), score(tone(3_500))]);
    expect(mehFest({ inputs: new Float32Array(0), samples })).toHaveLength(0);
    expect(() => mehFest({ inputs: new Float32Array(10), samples: 10 })).toThrow(/a frame long/);
    expect(() => mehFest({ inputs: tone(500).fill(Number.NaN, 3, 4), samples })).toThrow(/not finite/);
  });
});

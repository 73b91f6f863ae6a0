import { describe, expect, it } from 'vitest';
import { scoreGradient } from '../../../gpu-worker/attacks/score-gradient.ts';
import { designReads, vectorDesigns } from '../../../shared/contracts/detector-artefact.ts';
import { extractionPlanSchema } from '../../../shared/contracts/extraction.ts';
import { type Mlp, mlpScore } from '../../../shared/detector/mlp.ts';
import { planVector, planVectorLength } from '../../../shared/maths/plan-vector.ts';
import { normal, seededRandom } from '../../../shared/maths/random.ts';

const plan = extractionPlanSchema.parse({
  input_range: [0, 1],
  noise: [{ family: 'gaussian', epsilon: 0.3, rows: 8, copies: 3 }],
  transforms: [{ family: 'mirror' }, { family: 'median', size: 3 }],
  taps: [],
});

function randomMlp(length: number, clip: number): Mlp {
  const random = seededRandom(11);
  const dense = (inputs: number, outputs: number) => ({
    inputs,
    outputs,
    weights: Float32Array.from({ length: inputs * outputs }, () => normal(random) / Math.sqrt(inputs)),
    biases: Float32Array.from({ length: outputs }, () => normal(random)),
  });
  const drawn = (scale: number) => Array.from({ length }, () => scale * (1 + random()));
  return {
    layers: [dense(length, 12), dense(12, 8), dense(8, 2)],
    mean: drawn(-0.5),
    deviation: drawn(1),
    clip,
  };
}

function randomLogits(classes: number, seed: number): Float32Array {
  const random = seededRandom(seed);
  return Float32Array.from({ length: 6 * classes }, () => 3 * normal(random));
}

describe('the gradient of a score by the logits', () => {
  const ofLogits = vectorDesigns.filter((one) => !designReads[one].neurons && !designReads[one].levels);
  for (const design of ofLogits) {
    for (const classes of [2, 10, 13]) {
      it(`is that of central differences: ${design}, ${classes} classes`, () => {
        const mlp = randomMlp(planVectorLength(design, { classes, plan }), 1e3);
        const logits = randomLogits(classes, 3);
        const { score, gradient } = scoreGradient({ logits, plan, classes }, design, mlp);
        const at = (moved: Float32Array) =>
          mlpScore(mlp, planVector({ logits: moved, plan, classes }, design));
        expect(score).toBeCloseTo(at(logits), 4);
        // The detector rounds its entries to float32: a step of 0.002 keeps that under 0.002 of a slope.
        const step = 2e-3;
        for (const index of logits.keys()) {
          const [up, down] = [logits.slice(), logits.slice()];
          up[index] += step;
          down[index] -= step;
          const slope = (at(up) - at(down)) / (up[index] - down[index]);
          expect(Math.abs(gradient[index] - slope), `logit ${index}`).toBeLessThan(
            5e-3 * (1 + Math.abs(slope)),
          );
        }
      });
    }
  }

  it('stays finite where ranks tie and where nothing changes', () => {
    const mlp = randomMlp(planVectorLength('margin-changes+rank-gaps', { classes: 10, plan }), 8);
    const same = { logits: new Float32Array(60).fill(1), plan, classes: 10 };
    expect(scoreGradient(same, 'margin-changes+rank-gaps', mlp).gradient.every(Number.isFinite)).toBe(true);
  });

  it('passes straight through the clip of the standardised entries', () => {
    const logits = randomLogits(10, 3);
    const mlp = randomMlp(planVectorLength('rank-gaps', { classes: 10, plan }), 1e-3);
    const { gradient } = scoreGradient({ logits, plan, classes: 10 }, 'rank-gaps', mlp);
    expect(gradient.some((value) => Math.abs(value) > 1e-3)).toBe(true);
  });

  it('refuses a design that reads neurons beside the logits', () => {
    const logits = { logits: randomLogits(10, 3), plan, classes: 10 };
    expect(() => scoreGradient(logits, 'margin-changes+neurons', randomMlp(9, 8))).toThrow(
      expect.objectContaining({ code: 'invalid_artefact', message: expect.stringContaining('no gradient') }),
    );
  });

  it('refuses logits of another plan', () => {
    const mlp = randomMlp(9, 8);
    const short = { logits: new Float32Array(20), plan, classes: 10 };
    expect(() => scoreGradient(short, 'rank-gaps', mlp)).toThrow(/logits has 20 elements/);
  });
});

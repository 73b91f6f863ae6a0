// A trigger check fitted to drawn activations: what it promises, and what it refuses.
import { describe, expect, it } from 'vitest';
import type { ExtractedRows } from '../../../gpu-worker/calibrate/extract-rows.ts';
import { fitTriggerCheck } from '../../../gpu-worker/calibrate/fit-trigger-check.ts';
import type { CompiledModel, Tap } from '../../../shared/contracts/extraction.ts';
import { loadTriggerCheck, triggerScore } from '../../../shared/detector/trigger-check.ts';
import { normal, seededRandom } from '../../../shared/maths/random.ts';

const [classes, neurons] = [3, 4];

function compiledOf(taps: Tap[]): CompiledModel {
  const digest = `sha256:${'0'.repeat(64)}`;
  return {
    format: 'nccr-guard/compiled-model',
    format_version: 1,
    model: { name: 'm', digest, input_name: 'x', input_shape: [2], output_name: 'logits', classes },
    plan: {
      input_range: [0, 1],
      noise: [{ family: 'uniform', epsilon: 0.1, rows: 4, copies: 1 }],
      transforms: [],
      taps,
    },
    noise_key_id: 'k',
  };
}

const tap: Tap = { kind: 'activations', tensor: 'penult', neurons };

/** Gaussian classes around centres of their own; the model names each right. */
function drawn(count: number, seed: number, taps: Tap[] = [tap]): ExtractedRows {
  const random = seededRandom(seed);
  const logits = new Float32Array(count * 2 * classes);
  const changes = new Float32Array(count * neurons);
  for (let row = 0; row < count; row++) {
    const label = row % classes;
    logits[row * 2 * classes + label] = 5;
    for (let index = 0; index < neurons; index++) {
      changes[row * neurons + index] = (index === label ? 8 : 0) + normal(random);
    }
  }
  return { count, compiled: compiledOf(taps), logits, changes: taps.length === 0 ? undefined : changes };
}

describe('fitTriggerCheck', () => {
  const rows = { gaussianRows: drawn(300, 1), thresholdRows: drawn(400, 2) };

  it('keeps clean inputs under its threshold at the target rate, and those far from their class over it', () => {
    const fitted = fitTriggerCheck(rows, { targetFpr: 0.05 });
    expect(fitted.threshold).toMatchObject({ target_fpr: 0.05, calibration_samples: 400 });
    const { plan, model } = rows.gaussianRows.compiled;
    const check = loadTriggerCheck({ plan, model }, fitted);
    const flagged = (of: ExtractedRows, shift: number) => {
      let count = 0;
      for (let row = 0; row < of.count; row++) {
        const changes = of.changes!.slice(row * neurons, (row + 1) * neurons);
        changes[3] += shift;
        const logits = of.logits.subarray(row * 2 * classes, row * 2 * classes + classes);
        const { score, threshold } = triggerScore(check, { logits, changes });
        if (score > threshold) count++;
      }
      return count / of.count;
    };
    // 2,000 new clean rows: three deviations of a rate of 0.05 set by 400 rows and counted on 2,000 are 0.036.
    expect(Math.abs(flagged(drawn(2000, 3), 0) - 0.05)).toBeLessThan(0.036);
    expect(flagged(drawn(200, 4), 10)).toBe(1);
  });

  it('refuses a plan without activations, too few rows for the Gaussians and for the rate', () => {
    const bare = { gaussianRows: drawn(300, 1, []), thresholdRows: drawn(400, 2, []) };
    expect(() => fitTriggerCheck(bare, { targetFpr: 0.05 })).toThrow(/does not tap/);
    const few = { ...rows, gaussianRows: drawn(5, 1) };
    expect(() => fitTriggerCheck(few, { targetFpr: 0.05 })).toThrow(/at least 6 clean inputs/);
    const short = { ...rows, thresholdRows: drawn(10, 2) };
    expect(() => fitTriggerCheck(short, { targetFpr: 0.05 })).toThrow(/at least 19 clean/);
  });
});

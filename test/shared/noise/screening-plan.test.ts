import { describe, expect, it } from 'vitest';
import {
  changeColumns,
  extractionPlanSchema,
  planBankRows,
  planNoiseCopies,
  planRuns,
} from '../../../shared/contracts/extraction.ts';
import { screeningNoise, screeningPlan } from '../../../shared/noise/screening-plan.ts';

const layer = { tensor: 'penult', neurons: 3 };

describe('the plan of screening', () => {
  it('destroys the image three times and reads the drift of each neuron', () => {
    const plan = screeningPlan({ mode: 'nccr', range: [0, 1], inputSize: 3072 }, layer);
    expect(extractionPlanSchema.parse(plan)).toEqual(plan);
    expect(plan.noise).toEqual([{ family: 'uniform', epsilon: 256 / 255, rows: 1024, copies: 3 }]);
    expect(planRuns(plan)).toEqual([0, 1, 2, 3]);
    expect(changeColumns(plan)).toEqual(
      [0, 1, 2].map((index) => ({
        tensor: 'penult',
        quantity: 'drift',
        unit: { kind: 'neuron', index },
      })),
    );
  });

  it('scales its noise to the range of the input', () => {
    const noise = screeningNoise({ mode: 'nccr', range: [-1, 3], inputSize: 10 });
    expect(noise[0].epsilon).toBeCloseTo((4 * 256) / 255, 12);
  });

  it('has a smaller bank for larger images, and never less than 16 rows', () => {
    const rows = (inputSize: number) =>
      planBankRows({ noise: screeningNoise({ mode: 'nccr', range: [0, 1], inputSize }) });
    // 16 MiB of float32: 27 images of 3 x 224 x 224 and 6 of 3 x 480 x 480.
    expect([rows(3 * 224 * 224), rows(3 * 480 * 480)]).toEqual([27, 16]);
  });

  it('runs the input alone where the activation is clustered, and asks for no noise', () => {
    const input = { mode: 'activation', range: [0, 1], inputSize: 3072 } as const;
    const plan = extractionPlanSchema.parse(screeningPlan(input, layer));
    expect(planRuns(plan)).toEqual([0]);
    expect(plan.taps).toEqual([{ kind: 'activations', ...layer }]);
    expect(planNoiseCopies({ noise: screeningNoise(input) })).toBe(0);
  });

  it('taps drifts in no graph of a part, which may not have the copies', () => {
    const plan = screeningPlan({ mode: 'nccr', range: [0, 1], inputSize: 4 }, layer);
    expect(extractionPlanSchema.safeParse({ ...plan, only: [0, 1] }).success).toBe(false);
  });
});

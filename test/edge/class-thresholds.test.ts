// LeNet-5 behind a guard whose detector judges one class by a threshold of its own.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drawDigit } from '../../gpu-worker/datasets/synthetic-digits.ts';
import { verdictSchema } from '../../shared/contracts/verdict.ts';
import { type LenetEdge, startLenetEdge } from '../helpers/lenet-edge.ts';

const [everyScore, noScore] = [-1e6, 1e6];
let guard: LenetEdge;
beforeAll(async () => {
  guard = await startLenetEdge({
    mode: 'enforce',
    threshold: everyScore,
    spoil: ({ threshold }) => {
      threshold.per_class = [{ class: 3, value: noScore, fpr_ci95: [0, 1], calibration_samples: 100 }];
    },
  });
}, 120_000);
afterAll(() => guard?.stop());

const body = (labels: readonly number[]) => {
  const data = labels.flatMap((label) => Array.from(drawDigit(label, 1)));
  const shape = [labels.length, ...guard.inputShape];
  return JSON.stringify({ inputs: [{ name: guard.inputName, shape, datatype: 'FP32', data }] });
};
const verdictOf = async (labels: readonly number[]) => {
  const path = `/v1/guard/verdicts?model=${guard.name}`;
  const answer = await guard.call(path, { method: 'POST', body: body(labels) });
  return verdictSchema.parse(await answer.json());
};

describe('a class with a threshold of its own', () => {
  it('is judged by it, and the others by the common one; each row says which', async () => {
    const verdict = await verdictOf([3, 1]);
    expect(verdict.rows).toMatchObject([
      { verdict: 'allow', threshold: noScore },
      { verdict: 'block', threshold: everyScore },
    ]);
    // The request is described by the row that was refused, whatever the other one scored.
    expect(verdict).toMatchObject({
      verdict: 'block',
      threshold: everyScore,
      score: verdict.rows[1].score,
    });
  });

  it('lets a request of its rows alone pass, by the threshold that the verdict names', async () => {
    expect(await verdictOf([3, 3])).toMatchObject({
      verdict: 'allow',
      threshold: noScore,
      fpr_ci95: [0, 1],
    });
  });

  it('is judged by it again when the verdict is replayed', async () => {
    const { id } = await verdictOf([3]);
    for (let attempt = 0; attempt < 500; attempt++) {
      if ((await guard.call(`/v1/verdicts/${id}`)).status === 200) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const answer = await guard.call(`/v1/verdicts/${id}/replay`, { method: 'POST', body: body([3]) });
    expect(await answer.json()).toMatchObject({
      matches: true,
      recorded: { verdict: 'allow' },
      replayed: { verdict: 'allow' },
    });
  });
});

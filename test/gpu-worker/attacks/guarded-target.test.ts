import { describe, expect, it } from 'vitest';
import { type AskGuard, guardedTarget } from '../../../gpu-worker/attacks/guarded-target.ts';

const shape = { inputShape: [1], classes: 3, range: [0, 1] as const };
// Passes what is over a half; the logits are (x, 0, 1 - x).
const askGuard: AskGuard = async (inputs) => ({
  logits: Float32Array.from([...inputs].flatMap((x) => [x, 0, 1 - x])),
  passed: Uint8Array.from(inputs, (x) => (x > 0.5 ? 1 : 0)),
});

describe('a model behind its guard', () => {
  it('answers with the logits where the guard passes, and with the label beyond doubt where it blocks', async () => {
    const target = guardedTarget(shape, { label: 1, askGuard });
    expect([...(await target.logits(Float32Array.of(0.75, 0.25)))]).toEqual([0.75, 0, 0.25, 0, 1e6, 0]);
  });

  it('leaves the logits of the guard as they were', async () => {
    const logits = Float32Array.of(1, 2, 3);
    const target = guardedTarget(shape, {
      label: 0,
      askGuard: async () => ({ logits, passed: Uint8Array.of(0) }),
    });
    await target.logits(Float32Array.of(0));
    expect([...logits]).toEqual([1, 2, 3]);
  });

  it('gives no gradient', async () => {
    const target = guardedTarget(shape, { label: 0, askGuard });
    await expect(target.lossGradient(Float32Array.of(0), [0])).rejects.toThrow(/without gradients/);
    await expect(target.vectorJacobian(Float32Array.of(0), new Float32Array(3))).rejects.toThrow(
      /without gradients/,
    );
  });
});

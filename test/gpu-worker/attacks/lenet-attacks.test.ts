// Every attack on a real LeNet-5, with digits that are drawn here.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { predictedLabel } from '../../../gpu-worker/attacks/attack.ts';
import { type AttackName, attackNames, attacksByName } from '../../../gpu-worker/attacks/attack-by-name.ts';
import { type AttackTarget, attackTarget } from '../../../gpu-worker/attacks/attack-target.ts';
import { drawDigits } from '../../../gpu-worker/datasets/synthetic-digits.ts';
import type { Engine, LoadedModel } from '../../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import { forwardModel } from '../../../gpu-worker/onnx/forward-model.ts';
import { gradientModel } from '../../../gpu-worker/onnx/input-gradient.ts';

const shape = { inputShape: [1, 28, 28], classes: 10, range: [0, 1] as const };
const stop = new AbortController();
let engine: Engine;
let models: { forward: LoadedModel; gradient: LoadedModel };
let target: AttackTarget;
let attacked: { inputs: Float32Array; labels: number[] };

beforeAll(async () => {
  const bytes = await readFile(new URL('../../../gpu-worker/demo/assets/mnist-lenet5.onnx', import.meta.url));
  engine = await createOrtEngine({ workers: 2 });
  models = {
    forward: await engine.load(await forwardModel(bytes, { engine })),
    gradient: await engine.load(await gradientModel(bytes, { engine, head: 'cross-entropy' })),
  };
  const loadHead = async (head: 'margin' | 'seed') =>
    engine.load(await gradientModel(bytes, { engine, head }));
  target = attackTarget({ ...models, loadHead }, shape);
  const drawn = drawDigits(10, 1);
  const logits = await target.logits(drawn.inputs);
  const right = Array.from(drawn.labels.keys()).filter(
    (row) => predictedLabel(logits, row, 10) === drawn.labels[row],
  );
  const kept = right.slice(0, 4);
  attacked = {
    inputs: Float32Array.from(kept.flatMap((row) => [...drawn.inputs.subarray(row * 784, (row + 1) * 784)])),
    labels: kept.map((row) => drawn.labels[row]),
  };
});

afterAll(() => engine.close());

describe('attacks on LeNet-5', () => {
  // Noise and one step of 0.3 need not break a digit; whatever follows gradients or scores for long does.
  const sure: readonly AttackName[] = [
    'pgd',
    'jsma',
    'carlini-wagner',
    'deepfool',
    'square',
    'pgd-margin-fixed',
  ];

  it.each(attackNames.filter((name) => name !== 'boundary'))(
    '%s gives examples in the range that the model really gets wrong',
    async (name) => {
      const examples = await attacksByName[name].run(target, attacked, { epsilon: 0.3, seed: 1 });
      expect(Math.min(...examples.inputs)).toBeGreaterThanOrEqual(0);
      expect(Math.max(...examples.inputs)).toBeLessThanOrEqual(1);
      const logits = await target.logits(examples.inputs);
      for (const [row, label] of attacked.labels.entries())
        expect(examples.success[row]).toBe(predictedLabel(logits, row, 10) === label ? 0 : 1);
      if (sure.includes(name)) expect(examples.success).toEqual(new Uint8Array(4).fill(1));
      if (/-fixed$|-noise$|square/.test(name))
        expect(Math.max(...examples.epsilon)).toBeLessThanOrEqual(0.3 + 1e-6);
    },
  );

  it('are of the sizes that their norms promise: C&W and DeepFool small in l2, PGD in the max norm', async () => {
    const run = (name: AttackName) => attacksByName[name].run(target, attacked, { epsilon: 0.3, seed: 1 });
    const [pgd, deepfool, carliniWagner] = [
      await run('pgd'),
      await run('deepfool'),
      await run('carlini-wagner'),
    ];
    for (const row of attacked.labels.keys()) {
      expect(pgd.epsilon[row]).toBeLessThan(deepfool.epsilon[row]);
      expect(deepfool.l2[row]).toBeLessThan(pgd.l2[row]);
      expect(carliniWagner.l2[row]).toBeLessThan(1.02 * deepfool.l2[row]);
    }
  });

  it('give the same examples to the bit for the same seed, whatever the workers do', async () => {
    const run = () => attacksByName['pgd-fixed'].run(target, attacked, { epsilon: 0.2, seed: 9 });
    expect(await run()).toEqual(await run());
  });

  it('end with the reason of an aborted signal', async () => {
    const stopped = attackTarget(models, { ...shape, signal: stop.signal });
    const running = attacksByName.pgd.run(stopped, attacked, { epsilon: 0.3, seed: 1 });
    stop.abort(new Error('enough'));
    await expect(running).rejects.toThrow('enough');
  });

  it('say that a target has no other head', async () => {
    const plain = attackTarget(models, shape);
    await expect(attacksByName.deepfool.run(plain, attacked, { epsilon: 0.3, seed: 1 })).rejects.toThrow(
      'knows the cross-entropy alone',
    );
  });
});

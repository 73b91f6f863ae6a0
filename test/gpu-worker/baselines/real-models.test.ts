// The baselines on the models and adversarial examples beside the repository.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AttackTarget, attackTarget } from '../../../gpu-worker/attacks/attack-target.ts';
import { attackAsDefense } from '../../../gpu-worker/baselines/attack-as-defense.ts';
import type { BaselineScores } from '../../../gpu-worker/baselines/baseline.ts';
import { openDissector } from '../../../gpu-worker/baselines/dissector.ts';
import { featureSqueezing, squeezersOf } from '../../../gpu-worker/baselines/feature-squeezing.ts';
import { openLabelChangeRate } from '../../../gpu-worker/baselines/label-change-rate.ts';
import { logitMarginBaseline } from '../../../gpu-worker/baselines/logit-margin.ts';
import { maximumSoftmaxBaseline } from '../../../gpu-worker/baselines/maximum-softmax.ts';
import { type Dataset, selectDatasetRows } from '../../../gpu-worker/datasets/dataset.ts';
import { loadForeignExamples, loadNpzDataset } from '../../../gpu-worker/datasets/foreign-examples.ts';
import type { Engine } from '../../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import { forwardModel } from '../../../gpu-worker/onnx/forward-model.ts';
import { gradientModel } from '../../../gpu-worker/onnx/input-gradient.ts';
import { auroc } from '../../../shared/maths/auroc.ts';
import { sharedFolder } from '../../helpers/shared-folder.ts';

/** Images of each set: enough for an AUROC within 0.01 where it is near 1. */
const images = 120;
const inputShape = [1, 28, 28];
const size = 784;

// Expected values: the project's measurements on whole sets (mean of five attacks of the smallest epsilon 1.000 for the
// margin and A2D, 0.999 for the label change rate, 0.976 for feature squeezing; PGD at 0.3: 0.63, 0.80, 0.49, 0.99), with
// room for the smaller sets here.
describe.skipIf(sharedFolder === undefined)('baselines on LeNet-5 (needs ../shared/models and data)', () => {
  let engine: Engine;
  let model: Uint8Array;
  let target: AttackTarget;
  let clean: Dataset;
  const sets = new Map<string, Float32Array>();
  beforeAll(async () => {
    engine = await createOrtEngine({});
    model = await readFile(`${sharedFolder}models/mnist-lenet5.onnx`);
    const [forward, gradient] = await Promise.all([
      engine.load(await forwardModel(model, { engine })),
      engine.load(await gradientModel(model, { engine, head: 'cross-entropy' })),
    ]);
    target = attackTarget({ forward, gradient }, { inputShape, classes: 10, range: [0, 1] });
    const file = (name: string) => `${sharedFolder}data/adversarial/mnist-lenet5_${name}.npz`;
    clean = await loadNpzDataset(file('clean'), { layout: 'nchw' });
    sets.set('clean', clean.inputs.subarray(0, images * size));
    sets.set('reference', clean.inputs.subarray(images * size, 3 * images * size));
    for (const name of ['FGSM', 'CW', 'PGD_eps0.3']) {
      const { inputs } = await loadForeignExamples(file(name), { layout: 'nchw', inputShape, range: [0, 1] });
      sets.set(name, inputs.subarray(0, images * size));
    }
  });
  afterAll(() => engine?.close());

  async function measure(score: (inputs: Float32Array) => Promise<BaselineScores>) {
    const negatives = await score(sets.get('clean')!);
    const against = async (name: string) => auroc((await score(sets.get(name)!)).scores, negatives.scores);
    return {
      fgsm: await against('FGSM'),
      cw: await against('CW'),
      fixed: await against('PGD_eps0.3'),
      passes: negatives.passesPerInput,
    };
  }

  it('tell the boundary by margin and probability, and strong examples hardly', async () => {
    for (const baseline of [logitMarginBaseline, maximumSoftmaxBaseline]) {
      const { fgsm, cw, fixed, passes } = await measure((inputs) => baseline(target, inputs));
      expect(Math.min(fgsm, cw)).toBeGreaterThan(0.995);
      expect(fixed).toBeGreaterThan(0.53);
      expect(fixed).toBeLessThan(0.75);
      expect(passes).toBe(1);
    }
  });

  it('tell both by steps of attack, at many passes', async () => {
    const { fgsm, cw, fixed, passes } = await measure((inputs) =>
      attackAsDefense(target, inputs, { step: 0.01, stepsMax: 50 }),
    );
    expect(Math.min(fgsm, cw)).toBeGreaterThan(0.99);
    expect(fixed).toBeGreaterThan(0.7);
    expect(fixed).toBeLessThan(0.9);
    expect(passes).toBeGreaterThan(20);
  });

  it('tell strong examples best by squeezing', async () => {
    const { fgsm, cw, fixed, passes } = await measure((inputs) =>
      featureSqueezing(target, inputs, squeezersOf.mnist),
    );
    expect(fgsm).toBeGreaterThan(0.99);
    expect(cw).toBeGreaterThan(0.92);
    expect(fixed).toBeGreaterThan(0.98);
    expect(passes).toBe(3);
  });

  it('tell the boundary by mutated models, and strong examples not at all', async () => {
    const options = { engine, reference: sets.get('reference')!, mutants: 16, seed: 1 };
    const baseline = await openLabelChangeRate(target, model, options);
    const { fgsm, cw, fixed, passes } = await measure((inputs) => baseline.score(inputs));
    expect(fgsm).toBeGreaterThan(0.99);
    expect(cw).toBeGreaterThan(0.97);
    expect(Math.abs(fixed - 0.49)).toBeLessThan(0.08);
    expect(passes).toBe(17);
    await baseline.close();
  });

  it('tell by the layers on the way', async () => {
    // Not what the model learnt from, but quickly read; one in six of the C&W and PGD examples comes from these images.
    const rows = Array.from({ length: 400 }, (_, row) => images + row);
    const training = selectDatasetRows(clean, rows);
    const tensors = ['conv1', 'conv2', 'fc1', 'fc2'];
    const dissector = await openDissector(target, model, {
      engine,
      tensors,
      training,
      head: { seed: 1 },
      gridMax: 4,
    });
    const { fgsm, cw, fixed, passes } = await measure((inputs) => dissector.score(inputs));
    // No measurement of Dissector is at hand: the paper's mean of adversarial sets is 0.998.
    expect(Math.min(fgsm, cw)).toBeGreaterThan(0.97);
    expect(fixed).toBeGreaterThan(0.6);
    expect(passes).toBe(1);
    await dissector.close();
  });
});

describe.skipIf(sharedFolder === undefined)('baselines on ResNet-8 (needs ../shared/models and data)', () => {
  it('tell C&W and DeepFool by the margin', async () => {
    const engine = await createOrtEngine({});
    try {
      const model = await readFile(`${sharedFolder}models/cifar10-resnet8.onnx`);
      const forward = await engine.load(await forwardModel(model, { engine }));
      // The margin asks for no gradient.
      const shape = { inputShape: [3, 32, 32], classes: 10, range: [0, 1] as const };
      const target = attackTarget({ forward, gradient: forward }, shape);
      const file = (name: string) => `${sharedFolder}data/adversarial/cifar10-resnet8_${name}.npz`;
      const clean = await loadNpzDataset(file('clean'), { layout: 'nchw' });
      const { scores } = await logitMarginBaseline(target, clean.inputs);
      // Measured by the project: 0.959 and 0.999 within 0.003, on examples of both splits.
      for (const [name, expected] of [
        ['CW', 0.959],
        ['DeepFool', 0.999],
      ] as const) {
        const { inputs } = await loadForeignExamples(file(name), { layout: 'nchw', ...shape });
        const found = await logitMarginBaseline(target, inputs);
        expect(Math.abs(auroc(found.scores, scores) - expected)).toBeLessThan(0.01);
      }
    } finally {
      await engine.close();
    }
  });
});

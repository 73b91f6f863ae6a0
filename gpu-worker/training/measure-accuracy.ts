// What a network gets right, on natural images and under attack.
import { predictedLabel } from '../attacks/attack.ts';
import { attackTarget } from '../attacks/attack-target.ts';
import { pgd } from '../attacks/pgd.ts';
import { type Dataset, selectDatasetRows } from '../datasets/dataset.ts';
import type { Engine } from '../engine/engine.ts';
import { forwardModel } from '../onnx/forward-model.ts';
import { gradientModel } from '../onnx/input-gradient.ts';

/** Shares of a test set, in [0, 1]. */
export interface Accuracy {
  readonly natural: number;
  /** Under PGD, of the first rows that were attacked; undefined where no radius was asked for. */
  readonly attacked: number | undefined;
}

/** What the network is measured under. */
export interface AccuracyOptions {
  readonly engine: Engine;
  /** Lowest and highest valid value of an input. */
  readonly range: readonly [number, number];
  /** Radius of the attack in the max norm, in units of the input. */
  readonly epsilon?: number | undefined;
  readonly seed: number;
}

/** Steps of the attack, and how many images are attacked at most. */
const [attackSteps, attackedMax] = [20, 500];

/**
 * Measures a model on images that it was not trained on.
 * @throws GuardError `invalid_model` where the model is not usable
 */
export async function measureAccuracy(
  modelBytes: Uint8Array,
  dataset: Dataset,
  { engine, range, epsilon, seed }: AccuracyOptions,
): Promise<Accuracy> {
  const [forward, gradient] = await Promise.all([
    engine.load(await forwardModel(modelBytes, { engine })),
    engine.load(await gradientModel(modelBytes, { engine, head: 'cross-entropy', loss: false })),
  ]);
  try {
    const { inputShape, labels } = dataset;
    const classes = forward.outputs.find(({ name }) => name === 'logits')!.shape[1];
    const target = attackTarget({ forward, gradient }, { inputShape, classes, range });
    const natural = countCorrect(await target.logits(dataset.inputs), labels) / labels.length;
    if (epsilon === undefined) return { natural, attacked: undefined };
    const rows = Array.from(labels.keys()).slice(0, attackedMax);
    const chosen = selectDatasetRows(dataset, rows);
    const { success } = await pgd(target, chosen, { epsilon, steps: attackSteps, randomStart: seed });
    const fooled = success.reduce((sum, one) => sum + one, 0);
    return { natural, attacked: 1 - fooled / rows.length };
  } finally {
    await Promise.all([forward.release(), gradient.release()]);
  }
}

/**
 * Counts the rows whose largest logit is their label's.
 * @param logits row-major [rows, classes]
 */
export function countCorrect(logits: Float32Array, labels: ArrayLike<number>): number {
  const classes = logits.length / labels.length;
  let correct = 0;
  for (let row = 0; row < labels.length; row++) {
    if (predictedLabel(logits, row, classes) === labels[row]) correct++;
  }
  return correct;
}

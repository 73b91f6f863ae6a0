// The robustness of one model: NCCR over the sets of noise as a report has it, and accuracies beside it.
import type {
  Box,
  ModelRobustness,
  NccrMeasure,
  RobustnessReport,
  SetMeans,
} from '../../shared/contracts/robustness-report.ts';
import { boxOutliersMax } from '../../shared/contracts/robustness-report.ts';
import { boxFigures } from '../../shared/maths/box-plot.ts';
import { meanInterval } from '../../shared/maths/mean-interval.ts';
import { attackTarget } from '../attacks/attack-target.ts';
import type { RunAttack } from '../attacks/run-attack.ts';
import { checkDataset, type Dataset, selectDatasetRows } from '../datasets/dataset.ts';
import type { Engine } from '../engine/engine.ts';
import { forwardModel } from '../onnx/forward-model.ts';
import { gradientModel } from '../onnx/input-gradient.ts';
import { layerTensors } from '../onnx/layer-tensors.ts';
import { tappedModel } from '../onnx/tapped-model.ts';
import { meanOverSets, measureNccr, type NccrSamples } from './measure-nccr.ts';
import type { SetNoise } from './noise-sets.ts';

/** A model's file and what it is called. */
export interface NamedModel {
  readonly name: string;
  /** `sha256:…` of the file. */
  readonly digest: string;
  readonly bytes: Uint8Array;
}

/** What is measured, and with what. */
export interface RobustnessOptions {
  readonly engine: Engine;
  readonly noise: SetNoise;
  /** Null where nothing is attacked. */
  readonly attack: RobustnessReport['attack'];
  readonly run: RunAttack;
  /** Tensors that are read as layers; those that the activation functions give where they are not named. */
  readonly layers?: readonly string[] | undefined;
  /** Name of the logits where the model has several outputs and none is called `logits`. */
  readonly output?: string | undefined;
  readonly onStage: (stage: string, share: number) => void;
}

/** Layers that are read where nobody names any. */
const layersDefault = 8;

/** Steps of PGD, as the radius is walked in the reports on detectors. */
export const pgdSteps = 20;

/**
 * Measures one model.
 * @throws GuardError `invalid_model` or `unsupported_operator` where the model is not usable, `invalid_dataset` where the
 *   images do not fit it
 * @see NCCR, section 4
 */
export async function modelRobustness(
  { name, digest, bytes }: NamedModel,
  dataset: Dataset,
  options: RobustnessOptions,
): Promise<ModelRobustness> {
  const { engine, noise, layers, output, onStage } = options;
  const tensors = layers ?? layerTensors(bytes, layersDefault);
  const tapped = await tappedModel(bytes, { engine, tensors, ...(output === undefined ? {} : { output }) });
  const model = await engine.load(tapped.bytes);
  try {
    const inputShape = model.inputs[0].shape.slice(1);
    const classes = model.outputs.find((one) => one.name === 'logits')!.shape[1];
    checkDataset(dataset, { inputShape, classes });
    const samples = await measureNccr({ model, classes, widths: tapped.widths }, dataset, {
      noise,
      onProgress: (share) => onStage(`${name}: noise`, share),
    });
    const pgd = await pgdAccuracy({ name, bytes, classes }, dataset, options);
    return {
      name,
      digest,
      classes,
      relative: measureOf(samples.relative),
      l2: measureOf(samples.l2),
      accuracy: {
        clean: mean(samples.right),
        random_noise: setMeans(samples.rightPerturbed),
        pgd,
      },
      per_class: perClass(samples, dataset.labels),
      per_layer: samples.layers.map(({ change, norm }, index) => ({
        tensor: tensors[index],
        neurons: tapped.widths[index],
        // A layer that is 0 on every input and moves all the same has nothing to be relative to.
        relative: setMeans(Array.from(change, (sum) => (norm === 0 ? 0 : sum / norm))),
        l2: mean(change) / dataset.labels.length,
      })),
    };
  } finally {
    await model.release();
  }
}

async function pgdAccuracy(
  { name, bytes, classes }: { name: string; bytes: Uint8Array; classes: number },
  dataset: Dataset,
  { engine, noise, attack, run, output, onStage }: RobustnessOptions,
): Promise<number | null> {
  if (attack === null) return null;
  const named = { engine, ...(output === undefined ? {} : { output }) };
  const forward = await engine.load(await forwardModel(bytes, named));
  const gradient = await engine.load(await gradientModel(bytes, { ...named, head: 'cross-entropy' }));
  try {
    const { inputShape } = dataset;
    const target = attackTarget({ forward, gradient }, { inputShape, classes, range: noise.range });
    const rows = Array.from({ length: attack.images }, (_, row) => row);
    const { success } = await run('pgd-fixed', target, selectDatasetRows(dataset, rows), {
      epsilon: attack.epsilon,
      seed: noise.seed,
      onProgress: (share) => onStage(`${name}: PGD`, share),
    });
    return 1 - mean(success);
  } finally {
    await Promise.all([forward.release(), gradient.release()]);
  }
}

function measureOf(sets: readonly Float64Array[]): NccrMeasure {
  return { ...setMeans(sets.map(mean)), box: boxOf(meanOverSets(sets)) };
}

function setMeans(sets: readonly number[]): SetMeans {
  return { ...meanInterval(sets), sets: [...sets] };
}

/** A box plot with its farthest outliers. */
export function boxOf(values: ArrayLike<number>): Box {
  const { outliers, ...box } = boxFigures(values);
  const kept = outliers
    .toSorted((left, right) => Math.abs(right - box.median) - Math.abs(left - box.median))
    .slice(0, boxOutliersMax)
    .sort((left, right) => left - right);
  return { ...box, outliers: kept, outlier_count: outliers.length };
}

function perClass({ relative, l2, right }: NccrSamples, labels: Int32Array): ModelRobustness['per_class'] {
  const [byRow, plain] = [meanOverSets(relative), meanOverSets(l2)];
  const present = [...new Set(labels)].sort((left, right_) => left - right_);
  return present.map((label) => {
    const rows = Array.from(labels.keys()).filter((row) => labels[row] === label);
    const over = (values: ArrayLike<number>) => mean(rows.map((row) => values[row]));
    return { label, images: rows.length, relative: over(byRow), l2: over(plain), accuracy: over(right) };
  });
}

function mean(values: ArrayLike<number>): number {
  return Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;
}

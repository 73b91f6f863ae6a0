// Baseline: whether the layers on the way to the label agree with it.
import { assertShape } from '../../shared/assert.ts';
import { GuardError } from '../../shared/errors.ts';
import { argmax } from '../../shared/maths/nccr-vector.ts';
import { predictedLabel } from '../attacks/attack.ts';
import type { AttackTarget } from '../attacks/attack-target.ts';
import type { Dataset } from '../datasets/dataset.ts';
import type { Engine, LoadedModel } from '../engine/engine.ts';
import { tappedModel } from '../onnx/tapped-model.ts';
import { type Baseline, type BaselineScores, countRows } from './baseline.ts';
import { type HeadTraining, headProbabilities, type LinearHead, trainLinearHead } from './linear-head.ts';
import { runInBatches } from './run-in-batches.ts';

/** What the sub-models are made of. */
export interface DissectorOptions {
  readonly engine: Engine;
  /** Tensors of the model's file in the order of its layers, one sub-model each. */
  readonly tensors: readonly string[];
  /** Labelled inputs that the sub-models learn from: those that the model learnt from. */
  readonly training: Dataset;
  readonly head: HeadTraining;
  /** Height and width to which maps are averaged down before a head reads them; fewer train faster and tell less. */
  readonly gridMax?: number;
  readonly output?: string;
}

/** The baseline with its sub-models in memory. */
export interface Dissector extends Baseline {
  /** Share of given inputs that each sub-model labels right, in the order of the tensors. */
  accuracies(dataset: Pick<Dataset, 'inputs' | 'labels'>): Promise<number[]>;
  close(): Promise<void>;
}

/**
 * Trains one linear softmax head for each tensor.
 *
 * Ours: maps larger than 8 x 8 are averaged down to that first, and the layers' weights grow linearly (the paper tries
 * linear, logarithmic and exponential growth).
 * @returns scores in [0, 1]: 1 minus the weighted mean validity of the layers
 * @throws GuardError `invalid_model` where a tensor cannot be tapped or none is named
 * @see Wang, Xu, Xu, Ma and Lu, "Dissector: input validation for deep learning applications by crossing-layer dissection"
 *   (ICSE 2020)
 */
export async function openDissector(
  target: AttackTarget,
  modelBytes: Uint8Array,
  { engine, tensors, training, head, gridMax = 8, output }: DissectorOptions,
): Promise<Dissector> {
  if (tensors.length === 0)
    throw new GuardError('invalid_model', 'dissection needs the name of a tensor or more');
  const { inputShape, classes } = target;
  countRows(target, training.inputs);
  const named = output === undefined ? {} : { output };
  const { bytes, widths } = await tappedModel(modelBytes, { engine, tensors, gridMax, ...named });
  const model = await engine.load(bytes);
  const heads: LinearHead[] = [];
  for (const [index, width] of widths.entries()) {
    // One tap at a time: the activations of all of them may not fit into memory together.
    const name = `tap_${index}`;
    const taps = await runInBatches(model, training.inputs, { inputShape, widths: { [name]: width } });
    const samples = { activations: taps[name], width, labels: training.labels, classes };
    heads.push(trainLinearHead(samples, head));
  }
  return {
    score: (inputs) => dissect({ target, model, heads }, inputs),
    accuracies: async ({ inputs, labels }) => {
      const { snapshots } = await snapshotsOf({ target, model, heads }, inputs);
      return heads.map((_, layer) => {
        const right = snapshots[layer].filter((row, index) => argmax(row) === labels[index]);
        return right.length / labels.length;
      });
    },
    close: () => model.release(),
  };
}

/**
 * How far a layer's probabilities support a label.
 * @param probabilities [classes], summing to 1
 * @returns in [0, 1]: the label's probability relative to itself and the highest of the others; over 0.5 where the
 *   layer's own label is this one
 * @see ICSE 2020, the validity score of a snapshot, whose two cases are this one fraction
 */
export function snapshotValidity(probabilities: Float64Array, label: number): number {
  let rival = 0;
  for (const [index, value] of probabilities.entries()) if (index !== label) rival = Math.max(rival, value);
  const sum = probabilities[label] + rival;
  return sum === 0 ? 0 : probabilities[label] / sum;
}

interface Dissected {
  readonly target: AttackTarget;
  readonly model: LoadedModel;
  readonly heads: readonly LinearHead[];
}

async function dissect(dissected: Dissected, inputs: Float32Array): Promise<BaselineScores> {
  const { classes } = dissected.target;
  const rows = countRows(dissected.target, inputs);
  const { logits, snapshots } = await snapshotsOf(dissected, inputs);
  const weights = snapshots.map((_, layer) => layer + 1);
  const whole = weights.reduce((sum, weight) => sum + weight, 0);
  const scores = Float64Array.from({ length: rows }, (_, row) => {
    const label = predictedLabel(logits, row, classes);
    const validity = snapshots.reduce(
      (sum, layer, index) => sum + weights[index] * snapshotValidity(layer[row], label),
      0,
    );
    return 1 - validity / whole;
  });
  return { scores, passesPerInput: Math.sign(rows) };
}

/** Probabilities by layer and row. */
async function snapshotsOf(
  { target, model, heads }: Dissected,
  inputs: Float32Array,
): Promise<{ logits: Float32Array; snapshots: Float64Array[][] }> {
  const { inputShape, classes } = target;
  const rows = countRows(target, inputs);
  const widths = Object.fromEntries(heads.map(({ width }, index) => [`tap_${index}`, width]));
  const answer = await runInBatches(model, inputs, { inputShape, widths: { logits: classes, ...widths } });
  const snapshots = heads.map((head, index) => {
    const taps = answer[`tap_${index}` as 'logits'];
    assertShape(taps, [rows, head.width], `tap_${index}`);
    return Array.from({ length: rows }, (_, row) =>
      headProbabilities(head, taps.subarray(row * head.width, (row + 1) * head.width)),
    );
  });
  return { logits: answer.logits, snapshots };
}

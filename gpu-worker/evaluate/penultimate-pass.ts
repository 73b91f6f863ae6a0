// One plain forward pass over a training set: logits and penultimate activations of every example.
import { runInBatches } from '../baselines/run-in-batches.ts';
import { checkDataset, type Dataset } from '../datasets/dataset.ts';
import type { Engine } from '../engine/engine.ts';
import { penultimateTap } from '../onnx/penultimate.ts';
import { tappedModel } from '../onnx/tapped-model.ts';

/** What the pass gave, and the model still loaded for further passes. */
export interface PenultimatePass {
  /** Row-major [count, neurons]. */
  readonly activations: Float32Array;
  readonly neurons: number;
  /** Row-major [count, classes], of the examples as they are. */
  readonly logits: Float32Array;
  readonly classes: number;
  /** Seconds that the pass took. */
  readonly seconds: number;
  /** Runs the model on other inputs: row-major [rows, ...inputShape] to [rows, classes]. */
  readonly logitsOf: (inputs: Float32Array) => Promise<Float32Array>;
  close(): Promise<void>;
}

/**
 * Runs the pass.
 * @throws GuardError `invalid_model` where the model has no penultimate layer that can be read; `invalid_dataset` where the set
 *   does not fit it
 */
export async function openPenultimatePass(
  modelBytes: Uint8Array,
  dataset: Dataset,
  { engine }: { engine: Engine },
): Promise<PenultimatePass> {
  const { tensor, neurons } = await penultimateTap(modelBytes, { engine });
  const { bytes } = await tappedModel(modelBytes, { engine, tensors: [tensor] });
  const model = await engine.load(bytes);
  try {
    const classes = model.outputs.find(({ name }) => name === 'logits')!.shape[1];
    const [, ...inputShape] = model.inputs[0].shape;
    checkDataset(dataset, { inputShape, classes });
    const startedAt = performance.now();
    const widths = { logits: classes, tap_0: neurons };
    const { logits, tap_0: activations } = await runInBatches(model, dataset.inputs, { inputShape, widths });
    return {
      activations,
      neurons,
      logits,
      classes,
      seconds: (performance.now() - startedAt) / 1000,
      logitsOf: async (inputs) =>
        (await runInBatches(model, inputs, { inputShape, widths: { logits: classes } })).logits,
      close: () => model.release(),
    };
  } catch (cause) {
    await model.release();
    throw cause;
  }
}

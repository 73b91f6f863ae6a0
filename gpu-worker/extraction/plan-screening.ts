// The plan by which a model's training data is screened: which layer is read, and whether the model can screen at all.
import type { ExtractionPlan } from '../../shared/contracts/extraction.ts';
import type { ScreeningMode } from '../../shared/contracts/screening.ts';
import { GuardError } from '../../shared/errors.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import { screeningPlan } from '../../shared/noise/screening-plan.ts';
import type { Engine } from '../engine/engine.ts';
import { loadModel } from '../onnx/model-file.ts';
import { penultimateLayer } from '../onnx/penultimate.ts';
import { prepareModel } from '../onnx/prepare-model.ts';

/** How a model is to screen. */
export interface PlanScreeningOptions {
  /** Runs the model a few times to learn its shapes. */
  readonly engine: Engine;
  readonly mode: ScreeningMode;
  /** Lowest and highest valid value of the input. */
  readonly range: readonly [number, number];
  /** Tensor that is read; what the last linear layer reads where it is not given. */
  readonly layer?: string | undefined;
  /** Name of the logits where the model has several outputs and none is called `logits`. */
  readonly output?: string | undefined;
}

/** Classes under which every runner-up label is the same. */
const classesMin = 3;

/**
 * Makes the plan.
 * @throws GuardError `invalid_model` where the model has two classes, or no penultimate layer that can be read and none is named
 */
export async function planScreening(
  modelBytes: Uint8Array,
  { engine, mode, range, layer, output }: PlanScreeningOptions,
): Promise<ExtractionPlan> {
  const tensors = layer === undefined ? [] : [layer];
  const prepared = await prepareModel(loadModel(modelBytes), {
    engine,
    reserved: [],
    tensors,
    output,
    range,
  });
  const { classes, input } = prepared;
  if (classes < classesMin) {
    const detail = `screening compares runner-up labels and needs a model of at least ${classesMin} classes, this one has ${classes}`;
    throw new GuardError('invalid_model', detail);
  }
  const inputSize = elementCount(input.shape);
  return screeningPlan({ mode, range, inputSize }, penultimateLayer(prepared, layer));
}

// A model's forward pass with some of its activations as further outputs, averaged over windows where they are large.
import { GuardError } from '../../shared/errors.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import type { Engine } from '../engine/engine.ts';
import { tidyGraph } from './graph-order.ts';
import { loadModel, saveModel } from './model-file.ts';
import { nameEnds, prepareModel } from './prepare-model.ts';
import { requireRowwise } from './shape-probe.ts';

/** Which activations are wanted. */
export interface TappedModelOptions {
  /** Runs the model a few times to learn its shapes. */
  readonly engine: Engine;
  /** Tensors by their names in the file. */
  readonly tensors: readonly string[];
  /** Extent to which height and width of a map are averaged down at least; as they are where it is not given. */
  readonly gridMax?: number;
  /** Name of the logits where the model has several outputs and none is called `logits`. */
  readonly output?: string;
}

/** The rewritten model. */
export interface TappedModel {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Elements of a row of the outputs `tap_0`, `tap_1`, ... in the order of the tensors. */
  readonly widths: readonly number[];
}

/**
 * Rewrites a model as `x [R, ...]` to `logits [R, K]` and `tap_i [R, width_i]`.
 * @throws GuardError `invalid_model` where the model is not usable, or a tensor is not there, not float32 or not one of
 *   independent rows
 */
export async function tappedModel(modelBytes: Uint8Array, options: TappedModelOptions): Promise<TappedModel> {
  const { engine, tensors, gridMax, output } = options;
  const names = tensors.map((_, index) => `tap_${index}`);
  const model = loadModel(modelBytes);
  const reserved = ['x', 'logits', ...names];
  const prepared = await prepareModel(model, { engine, reserved, tensors, output });
  const { graph, probed, presentName } = prepared;
  nameEnds(prepared);
  const widths = tensors.map((label, index) => {
    const tensor = presentName(label);
    const { shape, datatype } = requireRowwise(model, probed, { tensor, label });
    if (datatype !== 'FP32') throw new GuardError('invalid_model', `tensor ${label} is not float32`);
    const [, ...row] = shape;
    let source = tensor;
    let size = elementCount(row);
    if (gridMax !== undefined && row.length === 3 && Math.max(row[1], row[2]) > gridMax) {
      const window = [row[1], row[2]].map((extent) => Math.ceil(extent / gridMax));
      source = graph.op('AveragePool', [tensor], { kernel_shape: window, strides: window });
      size = row[0] * Math.floor(row[1] / window[0]) * Math.floor(row[2] / window[1]);
    }
    graph.op('Reshape', [source, graph.ints([-1, size])], {}, names[index]);
    graph.output(names[index], ['R', size]);
    return size;
  });
  tidyGraph(model);
  return { bytes: saveModel(model), widths };
}

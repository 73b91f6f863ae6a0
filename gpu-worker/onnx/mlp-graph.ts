// The detector as an ONNX file: what the edge's ONNX Runtime loads.
import type { Mlp } from '../../shared/detector/mlp.ts';
import { buildOn, newModel } from './graph.ts';
import { saveModel } from './model-file.ts';
import { elementTypes } from './schema/messages.ts';

/**
 * Writes a perceptron with its standardisation as an ONNX file.
 * @param mlp two outputs in its last layer
 * @returns a model of `vectors [n, length]` float32, not standardised, to `scores [n]` float32: adversarial logit - clean
 *   logit. A NaN in a vector gives a NaN score.
 * @see NCCR, section 5.1
 */
export function mlpToOnnx(mlp: Mlp): Uint8Array<ArrayBuffer> {
  const model = newModel('nccr-guard detector', 17);
  const graph = buildOn(model, 'detector');
  const length = mlp.mean.length;
  const vectors = graph.input('vectors', ['n', length]);
  const centred = graph.op('Sub', [vectors, graph.floats([length], mlp.mean)]);
  const scaled = graph.op('Div', [centred, graph.floats([length], mlp.deviation)]);
  const bound = (value: number) => graph.floats([], [value]);
  // Double precision after the standardisation: in float32 the two logits cancel to an error above 1e-6, and the edge
  // compares this score with mlpScore's. The weights stay float32 in the file and are widened once, at load.
  const wide = (tensor: string) => graph.op('Cast', [tensor], { to: elementTypes.double });
  let values = wide(graph.op('Clip', [scaled, bound(-mlp.clip), bound(mlp.clip)]));
  for (const [index, { inputs, outputs, weights, biases }] of mlp.layers.entries()) {
    if (index > 0) values = graph.op('Relu', [values]);
    const parameters = [graph.floats([outputs, inputs], weights), graph.floats([outputs], biases)];
    values = graph.op('Gemm', [values, ...parameters.map(wide)], { transB: 1 });
  }
  const logit = (index: number) => graph.op('Gather', [values, graph.scalarInt(index)], { axis: 1 });
  graph.op('Cast', [graph.op('Sub', [logit(1), logit(0)])], { to: elementTypes.float }, 'scores');
  graph.output('scores', ['n']);
  return saveModel(model);
}

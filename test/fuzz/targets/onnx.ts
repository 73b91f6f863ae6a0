// ONNX files: the reader, and what is found in a graph before anything runs it.

import { create } from '@bufbuild/protobuf';
import { freeBatch } from '../../../gpu-worker/onnx/dynamic-batch.ts';
import { buildOn, newModel } from '../../../gpu-worker/onnx/graph.ts';
import { tidyGraph } from '../../../gpu-worker/onnx/graph-order.ts';
import { layerTensors } from '../../../gpu-worker/onnx/layer-tensors.ts';
import { logitsTensor, modelInput } from '../../../gpu-worker/onnx/model-ends.ts';
import { loadModel, saveModel } from '../../../gpu-worker/onnx/model-file.ts';
import { raiseForGradients } from '../../../gpu-worker/onnx/opset.ts';
import { refuseOperators } from '../../../gpu-worker/onnx/refused-operators.ts';
import { TensorProtoSchema } from '../../../gpu-worker/onnx/schema/messages.ts';
import { readWeights } from '../../../gpu-worker/onnx/weights.ts';
import { widenHalves } from '../../../gpu-worker/onnx/widen-halves.ts';
import { type FuzzTarget, mustHold, sameBytes } from '../target.ts';

/** Files of a few nodes. */
export const onnx: FuzzTarget = {
  name: 'onnx',
  seeds: () => [convolution(), reshapes(2), reshapes('batch'), olderNodes()],
  dictionary: [
    'Conv',
    'Relu',
    'Gemm',
    'MatMul',
    'Add',
    'Reshape',
    'Softmax',
    'Identity',
    'Constant',
    'value',
    'allowzero',
    'input',
    'scores',
    'ai.onnx',
    'guard/floats',
    'weight',
    ...[
      [0x0a, 0],
      [0x12, 0],
      [0x3a, 0],
      [0x42, 0],
      [0x70, 1],
      [0x10, 7],
      [0x10, 1],
      [0x22, 4, 0, 0, 128, 63],
    ].map((bytes) => Uint8Array.from(bytes)),
  ],
  bytesMax: 1024,
  sliceCases: 3_000,
  read(bytes) {
    const model = loadModel(bytes);
    const saved = saveModel(model);
    mustHold(sameBytes(saveModel(loadModel(saved)), saved), 'a model is written otherwise than it was read');
    layerTensors(bytes, 2);
    readWeights(bytes);
    const graph = buildOn(model, 'guard');
    const input = modelInput(graph);
    mustHold(
      input.shape.every((extent) => extent >= 1),
      'an input without a size',
    );
    mustHold(graph.producer(logitsTensor(graph)) !== undefined, 'logits that no node gives');
    freeBatch(graph, input);
    tidyGraph(model);
    loadModel(saveModel(model));
    const older = loadModel(bytes);
    widenHalves(older);
    raiseForGradients(older);
    refuseOperators(buildOn(older, 'guard'), [logitsTensor(buildOn(older, 'guard'))]);
    loadModel(saveModel(older));
  },
};

function convolution(): Uint8Array {
  const graph = buildOn(newModel('small', 17), 'small');
  const input = graph.input('input', ['batch', 1, 3, 3]);
  const weight = graph.floats([2, 1, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8]);
  const hidden = graph.op('Relu', [
    graph.op('Conv', [input, weight, graph.floats([2], [0, 1])], { strides: [1, 1] }),
  ]);
  const flat = graph.op('Flatten', [hidden]);
  const dense = graph.op('Add', [
    graph.op('MatMul', [flat, graph.floats([8, 2], new Float32Array(16))]),
    graph.floats([2], [0, 1]),
  ]);
  graph.op('Softmax', [dense], { axis: -1 }, 'scores');
  graph.output('scores', ['batch', 2]);
  return saveModel(graph.model);
}

function reshapes(batch: number | string): Uint8Array {
  const graph = buildOn(newModel('small', 13), 'small');
  const input = graph.input('input', [batch, 2, 2]);
  const flat = graph.op('Reshape', [input, graph.ints([typeof batch === 'number' ? batch : -1, 4])]);
  graph.op('Gemm', [flat, graph.floats([4, 2], new Float32Array(8))], {}, 'logits');
  graph.output('logits', [batch, 2]);
  return saveModel(graph.model);
}

/** Nodes whose attributes became inputs, and a constant in half precision. */
function olderNodes(): Uint8Array {
  const graph = buildOn(newModel('small', 9), 'small');
  const input = graph.input('input', ['batch', 4]);
  const bounded = graph.op('Clip', [input], { min: { float: 0 }, max: { float: 1 } });
  const cut = graph.op('Slice', [graph.op('Pad', [bounded], { pads: [0, 1, 0, 0] })], {
    starts: [1],
    ends: [4],
    axes: [1],
  });
  const wider = graph.op('Softmax', [graph.op('Unsqueeze', [cut], { axes: [1] })]);
  const half = create(TensorProtoSchema, {
    name: 'half',
    dims: [3n],
    dataType: 10,
    int32Data: [0x3c00, 0, 1],
  });
  graph.model.graph.initializer.push(half);
  graph.op('Add', [graph.op('Squeeze', [wider], { axes: [1] }), 'half'], {}, 'scores');
  graph.output('scores', ['batch', 3]);
  return saveModel(graph.model);
}

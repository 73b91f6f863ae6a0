// The detector as an ONNX file: what the edge's ONNX Runtime loads.
import {
  type Layer,
  type LinearHead,
  type Mlp,
  type Standardisation,
  vectorLength,
} from '../../shared/detector/mlp.ts';
import { relativeChange } from '../../shared/maths/unit-changes.ts';
import { buildOn, type GraphBuilder, newModel } from './graph.ts';
import { saveModel } from './model-file.ts';
import { elementTypes } from './schema/messages.ts';

/**
 * Writes a perceptron with its standardisation, and its head where it has one, as an ONNX file.
 * @param mlp two outputs in its last layer
 * @returns a model of `vectors [n, length]` float32, not standardised, to `scores [n]` float32: adversarial logit - clean
 *   logit. A NaN in a vector gives a NaN score.
 * @see NCCR, section 5.1
 */
export function mlpToOnnx(mlp: Mlp): Uint8Array<ArrayBuffer> {
  const model = newModel('nccr-guard detector', 17);
  const graph = buildOn(model, 'detector');
  const vectors = graph.input('vectors', ['n', vectorLength(mlp)]);
  let values = detectorInputs(graph, mlp, vectors);
  for (const [index, layer] of mlp.layers.entries()) {
    if (index > 0) values = graph.op('Relu', [values]);
    values = dense(graph, layer, values);
  }
  const logit = (index: number) => graph.op('Gather', [values, graph.scalarInt(index)], { axis: 1 });
  graph.op('Cast', [graph.op('Sub', [logit(1), logit(0)])], { to: elementTypes.float }, 'scores');
  graph.output('scores', ['n']);
  return saveModel(model);
}

/** What the layers read, standardised, [n, layers[0].inputs] in double precision. */
function detectorInputs(graph: GraphBuilder, mlp: Mlp, vectors: string): string {
  const { head, mean, deviation, clip } = mlp;
  if (head === undefined) return standardise(graph, mlp, vectors);
  const own = mean.length - 1;
  const units = wide(graph, columns(graph, vectors, { first: own, end: vectorLength(mlp) }));
  const score = headScores(graph, head, units);
  const last = { mean: mean.slice(own), deviation: deviation.slice(own), clip };
  const standardised = standardiseWide(graph, last, score);
  if (own === 0) return standardised;
  const before = { mean: mean.slice(0, own), deviation: deviation.slice(0, own), clip };
  const read = standardise(graph, before, columns(graph, vectors, { first: 0, end: own }));
  return graph.op('Concat', [read, standardised], { axis: 1 });
}

/** `headScore` of each row, [n, 1], from the numbers of the units, [n, 3 units]; all in double precision. */
function headScores(graph: GraphBuilder, head: LinearHead, units: string): string {
  const count = head.unitMeans.length;
  const [change, drift, base] = [0, 1, 2].map((part) =>
    columns(graph, units, { first: part * count, end: (part + 1) * count }),
  );
  const { meanShare, sizeFloor, changeFloor, driftScale } = relativeChange;
  const one = widened(graph, [1]);
  const inverse = (value: number) => graph.op('Div', [one, widened(graph, [Math.round(1 / value)])]);
  const scaledMeans = graph.op('Mul', [inverse(meanShare), widened(graph, head.unitMeans)]);
  const size = graph.op('Add', [graph.op('Add', [base, scaledMeans]), inverse(sizeFloor)]);
  const relative = graph.op('Div', [change, size]);
  const changes = graph.op('Log', [graph.op('Add', [relative, inverse(changeFloor)])]);
  const drifts = graph.op('Div', [graph.op('Mul', [widened(graph, [driftScale]), drift]), size]);
  const entries = graph.op('Concat', [changes, inverseSinh(graph, drifts)], { axis: 1 });
  const read = graph.op('Gather', [entries, graph.ints(head.entries)], { axis: 1 });
  return dense(graph, head.layer, standardiseWide(graph, head, read));
}

/** asinh(x) = sign(x) ln(|x| + sqrt(x^2 + 1)): the runtime's own operator is for float32 alone. */
function inverseSinh(graph: GraphBuilder, values: string): string {
  const square = graph.op('Add', [graph.op('Mul', [values, values]), widened(graph, [1])]);
  const sum = graph.op('Add', [graph.op('Abs', [values]), graph.op('Sqrt', [square])]);
  return graph.op('Mul', [graph.op('Sign', [values]), graph.op('Log', [sum])]);
}

function columns(
  graph: GraphBuilder,
  tensor: string,
  { first, end }: { first: number; end: number },
): string {
  return graph.op('Slice', [tensor, graph.ints([first]), graph.ints([end]), graph.ints([1])]);
}

function standardiseWide(
  graph: GraphBuilder,
  { mean, deviation, clip }: Standardisation,
  values: string,
): string {
  const centred = graph.op('Sub', [values, widened(graph, mean)]);
  const scaled = graph.op('Div', [centred, widened(graph, deviation)]);
  const bound = (value: number) => wide(graph, graph.floats([], [value]));
  return graph.op('Clip', [scaled, bound(-clip), bound(clip)]);
}

/** A list of float32 constants in double precision. */
function widened(graph: GraphBuilder, values: ArrayLike<number>): string {
  return wide(graph, graph.floats([values.length], values));
}

/** Standardises in float32 and widens. */
function standardise(
  graph: GraphBuilder,
  { mean, deviation, clip }: Standardisation,
  values: string,
): string {
  const centred = graph.op('Sub', [values, graph.floats([mean.length], mean)]);
  const scaled = graph.op('Div', [centred, graph.floats([mean.length], deviation)]);
  const bound = (value: number) => graph.floats([], [value]);
  return wide(graph, graph.op('Clip', [scaled, bound(-clip), bound(clip)]));
}

/**
 * Double precision after the standardisation: in float32 the two logits cancel to an error above 1e-6, and the edge compares
 * this score with mlpScore's. The weights stay float32 in the file and are widened once, at load.
 */
function wide(graph: GraphBuilder, tensor: string): string {
  return graph.op('Cast', [tensor], { to: elementTypes.double });
}

function dense(graph: GraphBuilder, { inputs, outputs, weights, biases }: Layer, values: string): string {
  const parameters = [graph.floats([outputs, inputs], weights), graph.floats([outputs], biases)];
  return graph.op('Gemm', [values, ...parameters.map((tensor) => wide(graph, tensor))], { transB: 1 });
}

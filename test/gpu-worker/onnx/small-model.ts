// Models of a few nodes for tests.
import { buildOn, type GraphBuilder, newModel } from '../../../gpu-worker/onnx/graph.ts';
import { saveModel } from '../../../gpu-worker/onnx/model-file.ts';
import type { Extent } from '../../../gpu-worker/onnx/value-info.ts';
import { normal, seededRandom } from '../../../shared/maths/random.ts';
import { elementCount } from '../../../shared/maths/tensor.ts';

/** How a small model differs from `input ['batch', 2, 6, 6]` under operator set 17. */
export interface SmallModelOptions {
  readonly shape?: readonly Extent[];
  readonly opset?: number;
  /** Leaves what `build` returns as it is instead of flattening it to [batch, ...]. */
  readonly flatten?: boolean;
}

/** A file with input `input` and output `scores`: what `build` makes of the input. */
export function smallModel(
  build: (graph: GraphBuilder, input: string) => string,
  { shape = ['batch', 2, 6, 6], opset = 17, flatten = true }: SmallModelOptions = {},
): Uint8Array<ArrayBuffer> {
  const model = newModel('small', opset);
  const graph = buildOn(model, 'small');
  const result = build(graph, graph.input('input', shape));
  graph.op(flatten ? 'Flatten' : 'Identity', [result], {}, 'scores');
  graph.output('scores', ['rows', 'classes']);
  return saveModel(model);
}

/** A constant of normal numbers. */
export function weights(graph: GraphBuilder, shape: readonly number[], seed = 3): string {
  const random = seededRandom(seed);
  return graph.floats(
    shape,
    Float32Array.from({ length: elementCount(shape) }, () => normal(random)),
  );
}

/** Adds a node with several outputs and returns their names. */
export function makeNode(
  graph: GraphBuilder,
  opType: string,
  inputs: readonly string[],
  { outputs, attributes }: { outputs: number; attributes?: Parameters<GraphBuilder['op']>[2] },
): string[] {
  const first = graph.op(opType, inputs, attributes);
  const node = graph.producer(first)!;
  for (let output = 1; output < outputs; output++) node.output.push(graph.freeName(`${opType}_${output}`));
  return node.output;
}

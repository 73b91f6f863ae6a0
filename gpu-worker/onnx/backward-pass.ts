// Reverse-mode differentiation of a graph's nodes: a gradient by the logits in, gradients by the wanted tensors out.
import { GuardError } from '../../shared/errors.ts';
import { activationRules } from './gradient-rules/activations.ts';
import { arithmeticRules } from './gradient-rules/arithmetic.ts';
import { convolutionRules } from './gradient-rules/convolution.ts';
import type { GradientContext, GradientRules } from './gradient-rules/gradient-rule.ts';
import { linearRules } from './gradient-rules/linear.ts';
import { poolingRules } from './gradient-rules/pooling.ts';
import { reductionRules } from './gradient-rules/reductions.ts';
import { shapingRules } from './gradient-rules/shaping.ts';
import type { GraphBuilder } from './graph.ts';
import { nodeLabel } from './graph-order.ts';
import type { PreparedModel } from './prepare-model.ts';
import type { NodeProto } from './schema/messages.ts';

const rules: GradientRules = {
  ...activationRules,
  ...arithmeticRules,
  ...convolutionRules,
  ...linearRules,
  ...poolingRules,
  ...reductionRules,
  ...shapingRules,
};

/** What a backward pass is asked for. */
export interface BackwardPass {
  /** Nodes of the forward pass, each after those that it reads. */
  readonly nodes: readonly NodeProto[];
  /** Gradient by the logits, [R, classes]. */
  readonly seed: string;
  /** Tensors that the gradient is wanted by: the model's input, or parameters. */
  readonly sources: readonly string[];
  /** Shapes of the sources that are parameters: inputs of the graph that are the same for every row. */
  readonly parameters?: ReadonlyMap<string, readonly number[]>;
}

/**
 * Adds a backward pass to a graph.
 * @returns the gradient's name by source; a source without influence on the logits has none. By a parameter it is the sum
 *   over all rows.
 * @throws GuardError `unsupported_operator` that names the node
 */
export function addBackwardPass(prepared: PreparedModel, pass: BackwardPass): ReadonlyMap<string, string> {
  const { graph, logits } = prepared;
  const { nodes, seed, sources } = pass;
  const context = contextOf(prepared, pass);
  const parts = new Map<string, string[]>();
  const [, ...rowShape] = context.shapeOf(logits);
  parts.set(logits, [
    rowShape.length === 1 ? seed : graph.op('Reshape', [seed, graph.ints([-1, ...rowShape])]),
  ]);
  for (const node of nodes.toReversed()) {
    if (!node.output.some((name) => parts.has(name)) || !node.input.some(context.isActive)) continue;
    for (const [index, part] of differentiate(context, node, parts).entries()) {
      const tensor = node.input[index];
      if (part !== undefined && context.isActive(tensor))
        parts.set(tensor, [...(parts.get(tensor) ?? []), part]);
    }
  }
  return new Map(
    sources.flatMap((source) => {
      const whole = parts.get(source);
      return whole === undefined ? [] : [[source, sum(graph, whole)] as const];
    }),
  );
}

/** Gradients by a node's inputs. */
function differentiate(
  context: GradientContext,
  node: NodeProto,
  parts: ReadonlyMap<string, string[]>,
): readonly (string | undefined)[] {
  const rule = node.domain === '' || node.domain === 'ai.onnx' ? rules[node.opType] : undefined;
  if (rule === undefined) {
    throw new GuardError('unsupported_operator', `there is no gradient rule for ${nodeLabel(node)}`);
  }
  const own = parts.get(node.output[0]);
  if (own === undefined || node.output.slice(1).some((name) => parts.has(name))) {
    throw new GuardError('unsupported_operator', `no gradient through a second output of ${nodeLabel(node)}`);
  }
  return rule(context, node, sum(context.graph, own));
}

/** Gradients flow through float tensors that depend on a source by more than its shape. */
function contextOf({ graph, probed }: PreparedModel, pass: BackwardPass): GradientContext {
  const { nodes, sources, parameters = new Map<string, readonly number[]>() } = pass;
  const active = new Set(sources);
  for (const node of nodes) {
    if (!node.input.some((name) => active.has(name))) continue;
    for (const name of node.output) if (probed.get(name)?.datatype === 'FP32') active.add(name);
  }
  return {
    graph,
    isActive: (tensor) => active.has(tensor),
    isParameter: (tensor) => parameters.has(tensor),
    shapeOf(tensor) {
      const shape =
        probed.get(tensor)?.shape ?? parameters.get(tensor) ?? graph.constant(tensor)?.dims.map(Number);
      if (shape === undefined || shape.some(Number.isNaN)) {
        throw new GuardError('unsupported_operator', `the shape of ${tensor} is not known`);
      }
      return shape;
    },
  };
}

function sum(graph: GraphBuilder, tensors: readonly string[]): string {
  return tensors.reduce((left, right) => graph.op('Add', [left, right]));
}

// Reverse-mode differentiation of a graph's nodes: a gradient by the logits in, gradients by the wanted tensors out.
import { GuardError } from '../../shared/errors.ts';
import type { Datatype } from '../../shared/maths/tensor.ts';
import type { GradientContext } from './gradient-rules/gradient-rule.ts';
import {
  gradientRules,
  outputsRules,
  parameterInputs,
  withoutGradient,
} from './gradient-rules/rule-registry.ts';
import type { GraphBuilder } from './graph.ts';
import { nodeLabel } from './graph-order.ts';
import type { PreparedModel } from './prepare-model.ts';
import type { NodeProto } from './schema/messages.ts';

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
  const isOwn = node.domain === '' || node.domain === 'ai.onnx';
  const gradients = node.output.map((name) => {
    const own = parts.get(name);
    return own === undefined ? undefined : sum(context.graph, own);
  });
  requireParameterInputs(context, node);
  const outputsRule = isOwn ? outputsRules[node.opType] : undefined;
  if (outputsRule !== undefined) return outputsRule(context, node, gradients);
  const rule = isOwn ? gradientRules[node.opType] : undefined;
  if (rule === undefined) {
    const reason = withoutGradient[node.opType];
    const detail = `there is no gradient rule for ${nodeLabel(node)}`;
    throw new GuardError('unsupported_operator', reason === undefined ? detail : `${detail}: ${reason}`);
  }
  const [own, ...others] = gradients;
  if (own === undefined || others.some((gradient) => gradient !== undefined)) {
    throw new GuardError('unsupported_operator', `no gradient through a second output of ${nodeLabel(node)}`);
  }
  return rule(context, node, own);
}

/** A rule that was not written for a parameter would take it for one value a row. */
function requireParameterInputs({ isActive, isParameter }: GradientContext, node: NodeProto): void {
  for (const [index, name] of node.input.entries()) {
    if (!isActive(name) || !isParameter(name) || parameterInputs[node.opType]?.includes(index)) continue;
    const detail = `there is no gradient by the parameter ${name} of ${nodeLabel(node)}`;
    throw new GuardError('unsupported_operator', detail);
  }
}

/**
 * Types of tensors that carry values: floats, and the integers of quantised layers, so that such a layer is refused and not
 * taken for one without a slope. Other integers and conditions are places and choices, which have none.
 */
function carriesValues(node: NodeProto, datatype: Datatype | undefined): boolean {
  if (datatype === 'INT32') return node.opType.endsWith('Integer');
  return datatype === 'FP32' || datatype === 'FP64' || datatype === 'INT8' || datatype === 'UINT8';
}

/** Gradients flow through tensors that depend on a source by more than its shape. */
function contextOf({ graph, probed }: PreparedModel, pass: BackwardPass): GradientContext {
  const { nodes, sources, parameters = new Map<string, readonly number[]>() } = pass;
  const active = new Set(sources);
  for (const node of nodes) {
    if (!node.input.some((name) => active.has(name))) continue;
    for (const name of node.output) if (carriesValues(node, probed.get(name)?.datatype)) active.add(name);
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

// Input gradients: reverse-mode differentiation of an ONNX graph into another ONNX graph.
import { GuardError } from '../../shared/errors.ts';
import type { Engine } from '../engine/engine.ts';
import { appendHead, type GradientHead } from './gradient-head.ts';
import { activationRules } from './gradient-rules/activations.ts';
import { arithmeticRules } from './gradient-rules/arithmetic.ts';
import { convolutionRules } from './gradient-rules/convolution.ts';
import type { GradientContext, GradientRules } from './gradient-rules/gradient-rule.ts';
import { linearRules } from './gradient-rules/linear.ts';
import { poolingRules } from './gradient-rules/pooling.ts';
import { reductionRules } from './gradient-rules/reductions.ts';
import { shapingRules } from './gradient-rules/shaping.ts';
import type { GraphBuilder } from './graph.ts';
import { nodeLabel, tidyGraph } from './graph-order.ts';
import { loadModel, saveModel } from './model-file.ts';
import { raiseOpset } from './opset.ts';
import { nameEnds, type PreparedModel, prepareModel } from './prepare-model.ts';
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

/** Names of the ends of every gradient graph. */
const reserved = ['x', 'target', 'seed', 'kappa', 'logits', 'loss', 'gradient'];

/** Which gradient of a model is wanted. */
export interface GradientOptions {
  /** Runs the model a few times to learn its shapes. */
  readonly engine: Engine;
  readonly head: GradientHead;
  /** Name of the logits where the model has several outputs and none is called `logits`. */
  readonly output?: string;
}

/**
 * Rewrites a model to give the gradient of a loss by its input.
 *
 * Inputs: `x [R, ...]` and, by the head, `target [R, K]` (rows that sum to 1; one-hot for `margin`), `kappa` (a scalar,
 * `margin` only) or `seed [R, K]`. Outputs: `logits [R, K]`, `loss [R]` (not for `seed`) and `gradient` of the shape of
 * x: of each row's own loss. Where several elements tie for a maximum, MaxPool passes the gradient to the first and
 * ReduceMax shares it.
 * @param modelBytes an ONNX file as `compileModel` takes it
 * @throws GuardError `unsupported_operator` that names the node, `invalid_model` where the model is not usable
 */
export async function gradientModel(
  modelBytes: Uint8Array,
  { engine, output, head }: GradientOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const model = loadModel(modelBytes);
  raiseOpset(model);
  const prepared = await prepareModel(model, { engine, output, reserved });
  return buildInputGradient(prepared, head);
}

/**
 * Adds the gradient to a prepared model, which is changed.
 * @throws GuardError `unsupported_operator` that names the node
 */
export function buildInputGradient(prepared: PreparedModel, head: GradientHead): Uint8Array<ArrayBuffer> {
  const { graph, input, logits, classes } = prepared;
  const nodes = [...graph.model.graph.node];
  nameEnds(prepared);
  const context = contextOf(prepared, nodes);
  const seed = appendHead(graph, head, { logits: 'logits', classes });

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

  const whole = parts.get(input.name);
  if (whole === undefined)
    throw new GuardError('invalid_model', `${input.name} has no influence on ${logits}`);
  graph.op('Identity', [sum(graph, whole)], {}, 'gradient');
  graph.output('gradient', ['R', ...input.shape]);
  tidyGraph(graph.model);
  return saveModel(graph.model);
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

/** Gradients flow through float tensors that depend on the input by more than their shape. */
function contextOf({ graph, input, probed }: PreparedModel, nodes: readonly NodeProto[]): GradientContext {
  const active = new Set([input.name]);
  for (const node of nodes) {
    if (!node.input.some((name) => active.has(name))) continue;
    for (const name of node.output) if (probed.get(name)?.datatype === 'FP32') active.add(name);
  }
  return {
    graph,
    isActive: (tensor) => active.has(tensor),
    shapeOf(tensor) {
      const shape = probed.get(tensor)?.shape ?? graph.constant(tensor)?.dims.map(Number);
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

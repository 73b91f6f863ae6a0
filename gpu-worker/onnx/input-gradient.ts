// Input gradients: reverse-mode differentiation of an ONNX graph into another ONNX graph.
import { GuardError } from '../../shared/errors.ts';
import type { Engine } from '../engine/engine.ts';
import { addBackwardPass } from './backward-pass.ts';
import { appendHead, type GradientHead } from './gradient-head.ts';
import { tidyGraph } from './graph-order.ts';
import { loadModel, saveModel } from './model-file.ts';
import { raiseForGradients } from './opset.ts';
import { nameEnds, type PreparedModel, prepareModel } from './prepare-model.ts';

/** Names of the ends of every gradient graph. */
const reserved = ['x', 'target', 'seed', 'kappa', 'logits', 'loss', 'gradient'];

/** Which gradient of a model is wanted. */
export interface GradientOptions {
  /** Runs the model a few times to learn its shapes. */
  readonly engine: Engine;
  readonly head: GradientHead;
  /** Name of the logits where the model has several outputs and none is called `logits`. */
  readonly output?: string;
  /** Whether the loss is an output too, which every run then computes, whoever asks for it; by default it is. */
  readonly loss?: boolean;
}

/**
 * Rewrites a model to give the gradient of a loss by its input.
 *
 * Inputs: `x [R, ...]` and, by the head, `target [R, K]` (rows that sum to 1; one-hot for `margin`), `kappa` (a scalar,
 * `margin` only) or `seed [R, K]`. Outputs: `logits [R, K]`, `loss [R]` (not for `seed`, nor where it is not wanted) and
 * `gradient` of the shape of x: of each row's own loss. Where several elements tie for a maximum, MaxPool passes the
 * gradient to the first and ReduceMax shares it.
 * @param modelBytes an ONNX file as `compileModel` takes it
 * @throws GuardError `unsupported_operator` that names the node, `invalid_model` where the model is not usable
 */
export async function gradientModel(
  modelBytes: Uint8Array,
  { engine, output, head, loss = true }: GradientOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const model = loadModel(modelBytes);
  raiseForGradients(model);
  const prepared = await prepareModel(model, { engine, output, reserved });
  return buildInputGradient(prepared, { head, loss });
}

/**
 * Adds the gradient to a prepared model, which is changed.
 * @param options head and loss as `gradientModel` takes them; shapes of those inputs that are parameters
 * @throws GuardError `unsupported_operator` that names the node
 */
export function buildInputGradient(
  prepared: PreparedModel,
  {
    head,
    loss,
    parameters = new Map(),
  }: Pick<GradientOptions, 'head' | 'loss'> & {
    readonly parameters?: ReadonlyMap<string, readonly number[]>;
  },
): Uint8Array<ArrayBuffer> {
  const { graph, input, logits, classes } = prepared;
  const nodes = [...graph.model.graph.node];
  nameEnds(prepared);
  const seed = appendHead(graph, head, { logits: 'logits', classes });
  const pass = { nodes, seed, sources: [input.name], parameters };
  const gradient = addBackwardPass(prepared, pass).get(input.name);
  if (gradient === undefined)
    throw new GuardError('invalid_model', `${input.name} has no influence on ${logits}`);
  graph.op('Identity', [gradient], {}, 'gradient');
  graph.output('gradient', ['R', ...input.shape]);
  const ends = graph.model.graph;
  if (loss === false) ends.output = ends.output.filter(({ name }) => name !== 'loss');
  tidyGraph(graph.model);
  return saveModel(graph.model);
}

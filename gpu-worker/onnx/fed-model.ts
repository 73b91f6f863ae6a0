// Models whose parameters are fed with every run, so that training moves them without loading anything anew.
import { GuardError } from '../../shared/errors.ts';
import type { Engine } from '../engine/engine.ts';
import { addBackwardPass } from './backward-pass.ts';
import { appendHead } from './gradient-head.ts';
import { buildOn } from './graph.ts';
import { tidyGraph } from './graph-order.ts';
import { buildInputGradient } from './input-gradient.ts';
import { loadModel, saveModel } from './model-file.ts';
import { raiseForGradients } from './opset.ts';
import { nameEnds, type PreparedModel, prepareModel } from './prepare-model.ts';
import { valueInfo } from './value-info.ts';

/** What a fed model gives beside the logits. */
export type FedGradient = 'parameters' | 'input' | 'none';

/** Which parameters are fed, and what is wanted. */
export interface FedModelOptions {
  /** Runs the model a few times to learn its shapes. */
  readonly engine: Engine;
  /** Names of float32 constants of the file, at least one. */
  readonly parameters: readonly string[];
  readonly gradient: FedGradient;
}

/** The names under which a fed model takes and gives a parameter. */
export interface FedParameter {
  /** In the file. */
  readonly name: string;
  /** Input that takes its values. */
  readonly input: string;
  /** Output of the same shape: gradient of the summed loss (`parameters` only). */
  readonly gradient: string;
}

/** Names of the ends of every fed model. */
const reserved = ['x', 'target', 'logits', 'loss', 'gradient'];

/**
 * Rewrites a model to take its parameters as inputs.
 *
 * Inputs: `x [R, ...]`, one a parameter and, but for `none`, `target [R, K]` (rows that sum to 1). Outputs:
 * `logits [R, K]`, `loss [R]` (the cross-entropy) and either one gradient a parameter, summed over the rows, or
 * `gradient` of the shape of x, of each row's own loss.
 * @param modelBytes an ONNX file as `compileModel` takes it
 * @throws GuardError `unsupported_operator` that names the node, `invalid_model` where the model is not usable or a
 *   parameter has no influence on its logits
 */
export async function fedModel(
  modelBytes: Uint8Array,
  { engine, parameters: names, gradient }: FedModelOptions,
): Promise<{ bytes: Uint8Array<ArrayBuffer>; parameters: FedParameter[] }> {
  const model = loadModel(modelBytes);
  raiseForGradients(model);
  const prepared = await prepareModel(model, { engine, reserved });
  const shapes = feedConstants(prepared, names.map(prepared.presentName));
  // The builder knows constants by what it was opened on.
  const fed = { ...prepared, graph: buildOn(model, 'guard') };
  const parameters = names.map((name) => {
    const input = prepared.presentName(name);
    return { name, input, gradient: `gradient/${input}` };
  });
  if (gradient === 'parameters') return { bytes: withGradients(fed, { parameters, shapes }), parameters };
  if (gradient === 'input')
    return { bytes: buildInputGradient(fed, { head: 'cross-entropy', parameters: shapes }), parameters };
  nameEnds(fed);
  tidyGraph(model);
  return { bytes: saveModel(model), parameters };
}

/** Turns constants into inputs, and says their shapes. */
function feedConstants({ graph }: PreparedModel, names: readonly string[]): Map<string, readonly number[]> {
  const ends = graph.model.graph;
  const shapes = new Map<string, readonly number[]>();
  for (const name of names) {
    const constant = ends.initializer.find((tensor) => tensor.name === name);
    if (constant === undefined) throw new GuardError('invalid_model', `the model has no constant ${name}`);
    shapes.set(name, constant.dims.map(Number));
  }
  ends.initializer = ends.initializer.filter(({ name }) => !shapes.has(name));
  // Files of old list their constants among the inputs too.
  ends.input = ends.input.filter(({ name }) => !shapes.has(name));
  for (const [name, shape] of shapes) ends.input.push(valueInfo(name, shape));
  return shapes;
}

function withGradients(
  prepared: PreparedModel,
  options: {
    readonly parameters: readonly FedParameter[];
    readonly shapes: ReadonlyMap<string, readonly number[]>;
  },
): Uint8Array<ArrayBuffer> {
  const { graph, classes } = prepared;
  const { parameters, shapes } = options;
  const nodes = [...graph.model.graph.node];
  nameEnds(prepared);
  const seed = appendHead(graph, 'cross-entropy', { logits: 'logits', classes });
  const sources = [...shapes.keys()];
  const found = addBackwardPass(prepared, { nodes, seed, sources, parameters: shapes });
  for (const { name, input, gradient } of parameters) {
    const whole = found.get(input);
    if (whole === undefined) throw new GuardError('invalid_model', `${name} has no influence on the logits`);
    graph.op('Identity', [whole], {}, gradient);
    graph.output(gradient, shapes.get(input) ?? []);
  }
  tidyGraph(graph.model);
  return saveModel(graph.model);
}

// A protected model taken apart for rewriting: names made free, the batch free, its ends found, all shapes known.
import { GuardError } from '../../shared/errors.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import type { Engine } from '../engine/engine.ts';
import { freeBatch } from './dynamic-batch.ts';
import { buildOn, type GraphBuilder } from './graph.ts';
import { renameTensors, tensorNames } from './graph-order.ts';
import { binaryLogits, logitsTensor, type ModelInput, modelInput } from './model-ends.ts';
import type { Model } from './model-file.ts';
import { nearNames } from './near-names.ts';
import { raiseForCopies } from './opset.ts';
import { refuseOperators } from './refused-operators.ts';
import { type ProbedTensors, probeShapes, requireRowwise } from './shape-probe.ts';
import { widenHalves } from './widen-halves.ts';

/** What the model is prepared for. */
export interface PrepareOptions {
  /** Runs the model a few times to learn its shapes. */
  readonly engine: Engine;
  /** Names that the new graph gives to tensors of its own: the model's are renamed where they collide. */
  readonly reserved: readonly string[];
  /** Tensors that are read beside the logits, by the names that they have in the file. */
  readonly tensors?: readonly string[];
  /** Name of the logits where the model has several outputs and none is called `logits`. */
  readonly output?: string | undefined;
  /** Lowest and highest valid value of the input; [0, 1] where it is not given. */
  readonly range?: readonly [number, number];
}

/** A model that is ready to be rewritten. */
export interface PreparedModel {
  readonly graph: GraphBuilder;
  readonly input: ModelInput;
  /** Name of the logits in the graph; they are taken before a final softmax. */
  readonly logits: string;
  /** Elements of a row of logits, at least 2. */
  readonly classes: number;
  readonly probed: ProbedTensors;
  /** Present name of a tensor of the file. */
  readonly presentName: (original: string) => string;
  /** Name in the file of a tensor of the graph. */
  readonly originalName: (present: string) => string;
}

/**
 * Prepares a model; the model itself is changed.
 * @throws GuardError `invalid_model` that names the node or tensor, where the model is not usable or a tensor not found
 */
export async function prepareModel(model: Model, options: PrepareOptions): Promise<PreparedModel> {
  const { engine, reserved, tensors = [], output, range } = options;
  raiseForCopies(model);
  widenHalves(model);
  const original = tensorNames(model.graph);
  for (const tensor of tensors) requireTensor(original, tensor);
  if (output !== undefined) requireTensor(original, output);
  // Both ends are looked at before anything is renamed, so that errors speak of the file's own names.
  modelInput(buildOn(model, 'guard'));
  const logitsOriginal = logitsTensor(buildOn(model, 'guard'), output);
  refuseOperators(buildOn(model, 'guard'), [logitsOriginal, ...tensors]);

  const renamed = makeWay(model, original, reserved);
  const restored = new Map([...renamed].map(([from, to]) => [to, from]));
  const presentName = (name: string) => renamed.get(name) ?? name;
  const graph = buildOn(model, 'guard');
  const input = modelInput(graph);
  freeBatch(graph, input);
  const logits = presentName(logitsOriginal);
  const upTo = [logits, ...tensors.map(presentName)];
  const probed = await probeShapes(model, { engine, input, upTo, ...(range && { range }) });
  const { shape, datatype } = requireRowwise(model, probed, { tensor: logits, label: logitsOriginal });
  if (datatype !== 'FP32') {
    const detail = `${logitsOriginal} has elements of type ${datatype}, not float32: name the scores as the output`;
    throw new GuardError('invalid_model', detail);
  }
  const classes = elementCount(shape.slice(1));
  if (shape.slice(1).filter((extent) => extent > 1).length > 1) {
    const detail = `${logitsOriginal} has shape [${['N', ...shape.slice(1)].join(', ')}]: no row of logits for each input`;
    throw new GuardError('invalid_model', detail);
  }
  const originalName = (name: string) => restored.get(name) ?? name;
  const prepared = { graph, input, logits, classes, probed, presentName, originalName };
  return classes > 1 ? prepared : asTwoClasses(prepared, logitsOriginal);
}

/** A model that gives one probability, as one that gives two logits. */
function asTwoClasses(prepared: PreparedModel, label: string): PreparedModel {
  const { graph, logits } = prepared;
  const { difference, pair } = binaryLogits(graph, { logits, label });
  const probed = new Map(prepared.probed);
  probed.set(difference, { shape: [-1, 1], datatype: 'FP32', rowwise: true, fromInput: true });
  probed.set(pair, { shape: [-1, 2], datatype: 'FP32', rowwise: true, fromInput: true });
  const originalName = (name: string) => (name === pair ? label : prepared.originalName(name));
  return { ...prepared, logits: pair, classes: 2, probed, originalName };
}

/** Replaces the ends of a prepared model by `x [R, ...]` and `logits [R, K]`. */
export function nameEnds({ graph, input, logits, classes }: PreparedModel): void {
  const ends = graph.model.graph;
  ends.input = ends.input.filter(({ name }) => name !== input.name);
  graph.input('x', ['R', ...input.shape]);
  graph.op('Identity', ['x'], {}, input.name);
  ends.output = [];
  graph.op('Reshape', [logits, graph.ints([-1, classes])], {}, 'logits');
  graph.output('logits', ['R', classes]);
}

function requireTensor(names: ReadonlySet<string>, tensor: string): void {
  if (names.has(tensor)) return;
  const near = nearNames(tensor, names).join(', ');
  throw new GuardError('invalid_model', `the model has no tensor ${tensor}; near it are ${near}`);
}

/** Renames the model's own tensors that have a reserved name. */
function makeWay(
  model: Model,
  taken: ReadonlySet<string>,
  reserved: readonly string[],
): ReadonlyMap<string, string> {
  const renamed = new Map<string, string>();
  for (const name of reserved) {
    if (!taken.has(name)) continue;
    let free = `model/${name}`;
    while (taken.has(free)) free = `model/${free}`;
    renamed.set(name, free);
  }
  renameTensors(model.graph, renamed);
  return renamed;
}

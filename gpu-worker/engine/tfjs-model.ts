// A TensorFlow.js model of any kind behind one call: an input in, tensors by their names out.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Tensor as TfTensor } from '@tensorflow/tfjs-core';
import type { SymbolicTensor } from '@tensorflow/tfjs-layers';
import { GuardError } from '../../shared/errors.ts';
import type { ModelFiles } from './tfjs-archive.ts';
import { type GraphNode, type TfjsArtifacts, tfjsArtifacts } from './tfjs-artifacts.ts';
import type { SavedModel, SavedTensor, Tfjs } from './tfjs-runtime.ts';

/** A model in memory. */
export interface TfjsModel {
  readonly inputName: string;
  /** Shape of one input, as the model itself reads it. */
  readonly inputShape: readonly number[];
  /** Name of the logits. */
  readonly output: string;
  /**
   * Runs the model; to be called within a `tidy`.
   * @param input [rows, ...inputShape]
   * @returns one tensor a name: of layers or nodes, and the logits by theirs
   * @throws GuardError `invalid_model` where there is no tensor of a name
   */
  run(input: TfTensor, names: readonly string[]): TfTensor[];
  dispose(): void;
}

/**
 * Loads a Layers or a Graph model, or in the native binding a SavedModel.
 * @throws GuardError `invalid_model` with the reason
 */
export async function openTfjsModel(tfjs: Tfjs, files: ModelFiles): Promise<TfjsModel> {
  if (files.has('saved_model.pb')) return openSavedModel(tfjs, files);
  const read = tfjsArtifacts(files);
  try {
    return read.kind === 'graph' ? await openGraph(tfjs, read) : await openLayers(tfjs, read);
  } catch (thrown) {
    if (thrown instanceof GuardError) throw thrown;
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw new GuardError('invalid_model', `TensorFlow.js refuses the model: ${reason}`, { cause: thrown });
  }
}

async function openLayers(
  tfjs: Tfjs,
  { artifacts }: Extract<TfjsArtifacts, { kind: 'layers' }>,
): Promise<TfjsModel> {
  const model = await tfjs.layers.loadLayersModel(tfjs.core.io.fromMemory(artifacts));
  const { name: inputName, shape: inputShape } = onlyInput(model.inputs);
  const output = only(
    model.outputs.map(({ sourceLayer }) => sourceLayer.name),
    'output',
  );
  const parts = new Map<string, ReturnType<typeof tfjs.layers.model>>();
  const outputOf = (name: string): SymbolicTensor => {
    const layer = model.layers.find((known) => known.name === name);
    const result = layer?.output;
    if (result !== undefined && !Array.isArray(result)) return result;
    const names = model.layers.map((known) => known.name).join(', ');
    throw new GuardError('invalid_model', `the model has no layer ${name} of one output; it has ${names}`);
  };
  return {
    inputName,
    inputShape,
    output,
    run(input, names) {
      const key = JSON.stringify(names);
      const part =
        parts.get(key) ?? tfjs.layers.model({ inputs: model.inputs, outputs: names.map(outputOf) });
      parts.set(key, part);
      // Otherwise 32 rows at a time.
      return asList(part.predict(input, { batchSize: input.shape[0] }));
    },
    dispose: () => void model.dispose(),
  };
}

async function openGraph(
  tfjs: Tfjs,
  { artifacts, nodes }: Extract<TfjsArtifacts, { kind: 'graph' }>,
): Promise<TfjsModel> {
  const model = await tfjs.converter.loadGraphModel(tfjs.core.io.fromMemory(artifacts));
  const { name, shape: inputShape } = onlyInput(model.inputs);
  const inputName = nodeName(name);
  // Of the tensors, not `outputNodes`, which has the names of the signature.
  const output = logitsNode(nodes, nodeName(only(model.outputs, 'output').name));
  return {
    inputName,
    inputShape,
    output,
    run(input, names) {
      const missing = names.find((wanted) => !nodes.has(wanted));
      if (missing !== undefined) throw new GuardError('invalid_model', `the model has no node ${missing}`);
      // With its number a name is a node's; without, it could be taken for the name that the signature gives to another one.
      const results: (TfTensor | undefined)[] = [
        model.execute(
          { [inputName]: input },
          names.map((wanted) => `${wanted}:0`),
        ),
      ].flat();
      return names.map((wanted, index) => {
        const result = results[index];
        if (result !== undefined) return result;
        throw new GuardError('invalid_model', `the model does not compute ${wanted}`);
      });
    },
    dispose: () => model.dispose(),
  };
}

/** The node whose softmax the output is, or the output itself. */
function logitsNode(nodes: ReadonlyMap<string, GraphNode>, output: string): string {
  let node = nodes.get(output);
  // No longer than there are nodes: a graph that is none may go in circles.
  for (let step = 0; node?.op === 'Identity' && step < nodes.size; step++) {
    node = nodes.get(nodeName(node.input[0] ?? ''));
  }
  const [logits] = node?.input ?? [];
  return node?.op === 'Softmax' && logits !== undefined ? nodeName(logits) : output;
}

/** A node's name without the number of its output. */
function nodeName(name: string): string {
  return name.replace(/:\d+$/, '');
}

async function openSavedModel({ loadSavedModel }: Tfjs, files: ModelFiles): Promise<TfjsModel> {
  if (loadSavedModel === undefined) {
    const detail =
      'a SavedModel runs in the native binding alone (@tensorflow/tfjs-node-gpu): convert it to a Graph model';
    throw new GuardError('invalid_model', detail);
  }
  const folder = await mkdtemp(join(tmpdir(), 'saved-model-'));
  let model: SavedModel;
  try {
    for (const [path, bytes] of files) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), bytes);
    }
    model = await loadSavedModel(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
  const { name: inputName, shape: inputShape } = onlyInput(
    model.inputs.map(({ name, shape = [] }) => ({ name, shape: shape.map(extentOf) })),
  );
  const output = only(
    model.outputs.map(({ name }) => name),
    'output',
  );
  return {
    inputName,
    inputShape,
    output,
    run(input, names) {
      const inner = names.find((name) => name !== output);
      if (inner !== undefined) {
        const detail = `a SavedModel gives its output alone, not ${inner}: convert it to a Graph model`;
        throw new GuardError('invalid_model', detail);
      }
      const [logits] = asList(model.predict(input));
      return names.map(() => logits);
    },
    dispose: () => model.dispose(),
  };
}

function extentOf(extent: NonNullable<SavedTensor['shape']>[number]): number {
  return typeof extent === 'number' ? extent : (extent.array[0] ?? -1);
}

/** An input as the kinds of models describe it. */
interface DescribedInput {
  readonly name: string;
  readonly shape?: readonly (number | null)[] | undefined;
}

function onlyInput(inputs: readonly DescribedInput[]): { name: string; shape: number[] } {
  const input = only(inputs, 'input');
  const [, ...shape] = input.shape ?? [];
  if (shape.length === 0 || shape.some((extent) => extent === null || extent < 1)) {
    const detail = `input ${input.name} has the shape [${(input.shape ?? []).join(', ')}]: only its batch may be free`;
    throw new GuardError('invalid_model', detail);
  }
  return { name: input.name, shape: shape as number[] };
}

function only<T>(values: readonly T[], what: string): T {
  if (values.length !== 1)
    throw new GuardError('invalid_model', `the model has ${values.length} ${what}s instead of one`);
  return values[0];
}

function asList(result: TfTensor | TfTensor[] | Record<string, TfTensor>): TfTensor[] {
  if (Array.isArray(result)) return result;
  return 'dataSync' in result ? [result as TfTensor] : Object.values(result);
}

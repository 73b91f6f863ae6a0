// A model's plain forward pass with free batch and known names: what attacks query and fused graphs are compared with.
import { compiledTensors } from '../../shared/contracts/extraction.ts';
import { freeBatch } from './dynamic-batch.ts';
import { buildOn } from './graph.ts';
import { renameTensors, tensorNames, tidyGraph } from './graph-order.ts';
import { logitsTensor, modelInput } from './model-ends.ts';
import { loadModel, saveModel } from './model-file.ts';

/**
 * Rewrites a model as `x [R, ...]` to `logits [R, K]`, the logits taken before a softmax.
 * @param output name of the logits where the model has several outputs and none is called `logits`
 * @throws GuardError `invalid_model`
 */
export function forwardModel(modelBytes: Uint8Array, output?: string): Uint8Array<ArrayBuffer> {
  const model = loadModel(modelBytes);
  const before = buildOn(model, 'forward');
  const input = modelInput(before);
  freeBatch(before, input);
  const logits = logitsTensor(before, output);
  const taken = tensorNames(model.graph);
  const away = (name: string) => (taken.has(name) ? [[name, `model/${name}`] as const] : []);
  const renamed = new Map([...away(compiledTensors.input), ...away(compiledTensors.logits)]);
  renameTensors(model.graph, renamed);
  const graph = buildOn(model, 'forward');
  model.graph.input = model.graph.input.filter(
    ({ name }) => name !== (renamed.get(input.name) ?? input.name),
  );
  model.graph.output = [];
  graph.input(compiledTensors.input, ['R', ...input.shape]);
  graph.op('Identity', [compiledTensors.input], {}, renamed.get(input.name) ?? input.name);
  graph.op('Identity', [renamed.get(logits) ?? logits], {}, compiledTensors.logits);
  graph.output(compiledTensors.logits, ['R', 'K']);
  tidyGraph(model);
  return saveModel(model);
}

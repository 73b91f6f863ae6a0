// Several models over one input as one graph: they run together, as the copies of a compiled model do.

import { buildOn } from './graph.ts';
import { renameTensors, tensorNames } from './graph-order.ts';
import { loadModel, saveModel } from './model-file.ts';

/**
 * Fuses models `x [R, ...]` to `logits [R, K]` that `forwardModel` wrote, under one operator set.
 * @returns a file `x [R, ...]` to `logits [R, models * K]`, those of the first model first
 * @throws GuardError `invalid_model` where one is no ONNX file
 */
export function fuseModels(files: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const models = files.map(loadModel);
  for (const [index, { graph }] of models.entries()) {
    const own = [...tensorNames(graph)].filter((name) => name !== '' && name !== 'x');
    renameTensors(graph, new Map(own.map((name) => [name, `${index}/${name}`])));
    // The runtime refuses two nodes of one name.
    for (const node of graph.node) node.name = `${index}/${node.name}`;
  }
  const [fused, ...others] = models;
  for (const { graph } of others) {
    fused.graph.node.push(...graph.node);
    fused.graph.initializer.push(...graph.initializer);
    fused.graph.input.push(...graph.input.filter(({ name }) => name !== 'x'));
  }
  fused.graph.valueInfo = [];
  fused.graph.output = [];
  const builder = buildOn(fused, 'fused');
  const logits = models.map((_, index) => `${index}/logits`);
  builder.op('Concat', logits, { axis: 1 }, 'logits');
  builder.output('logits', ['R', 'logits of all']);
  return saveModel(fused);
}

// A model's plain forward pass with free batch and known names: what attacks query and fused graphs are compared with.
import type { Engine } from '../engine/engine.ts';
import { tidyGraph } from './graph-order.ts';
import { loadModel, saveModel } from './model-file.ts';
import { nameEnds, prepareModel } from './prepare-model.ts';

/**
 * Rewrites a model as `x [R, ...]` to `logits [R, K]`, the logits taken before a softmax.
 * @param engine runs the model a few times to learn its shapes
 * @param output name of the logits where the model has several outputs and none is called `logits`
 * @throws GuardError `invalid_model`
 */
export async function forwardModel(
  modelBytes: Uint8Array,
  { engine, output }: { engine: Engine; output?: string },
): Promise<Uint8Array<ArrayBuffer>> {
  const model = loadModel(modelBytes);
  const prepared = await prepareModel(model, { engine, reserved: ['x', 'logits'], output });
  nameEnds(prepared);
  tidyGraph(model);
  return saveModel(model);
}

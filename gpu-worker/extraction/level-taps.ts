// The taps by which a design reads a model's layers under noise of several strengths.
import type { ExtractionPlan, Tap } from '../../shared/contracts/extraction.ts';
import { GuardError } from '../../shared/errors.ts';
import { loadModel } from '../onnx/model-file.ts';
import { prepareModel } from '../onnx/prepare-model.ts';
import { layerTensors, type UnitTapOptions } from './unit-taps.ts';

/**
 * Adds taps of levels to a plan that has none.
 *
 * Unless they are named, the tensors are the ends of layers that every path runs through, and the logits.
 * @throws GuardError `invalid_config` where the plan has no noise; `invalid_model` where the model is not usable
 */
export async function withLevelTaps(
  modelBytes: Uint8Array,
  plan: ExtractionPlan,
  { engine, tensors: named = [] }: UnitTapOptions,
): Promise<ExtractionPlan> {
  const levels = plan.noise.length;
  if (levels === 0) {
    throw new GuardError('invalid_config', 'layers are read under noise, which the plan does not have');
  }
  if (plan.taps.some(({ kind }) => kind === 'levels')) return plan;
  const model = loadModel(modelBytes);
  const prepared = await prepareModel(model, {
    engine,
    reserved: [],
    tensors: named,
    range: plan.input_range,
  });
  const { graph, input, logits } = prepared;
  const tensors = named.length > 0 ? named : layerTensors(graph, { input: input.name, logits });
  return {
    ...plan,
    taps: [...plan.taps, ...tensors.map((tensor): Tap => ({ kind: 'levels', tensor, levels }))],
  };
}

// Gives a compiled graph an output whose name says what it was made from: Triton echoes no parameters, but every output's name.
import { compiledTensors } from '../../shared/contracts/extraction.ts';
import { GuardError } from '../../shared/errors.ts';
import { identityOutputName } from '../../shared/noise/graph-identity.ts';
import { sha256Digest } from '../../shared/noise/noise-key.ts';
import { planDigest } from '../../shared/noise/plan-digest.ts';
import { readCompiledModel } from '../extraction/compile-model.ts';
import { buildOn } from '../onnx/graph.ts';
import { tidyGraph } from '../onnx/graph-order.ts';
import { loadModel, saveModel } from '../onnx/model-file.ts';

/** A graph with its identity. */
export interface IdentifiedGraph {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Name of the output, FP32 [R, 1], all 0. */
  readonly outputName: string;
}

/**
 * Appends the output; nothing else of the graph changes. The same file gives the same bytes.
 * @param compiled a compiled model's file
 * @throws GuardError `invalid_model` where it is no compiled model, or one that only a gpu-worker can serve
 */
export async function withIdentityOutput(compiled: Uint8Array): Promise<IdentifiedGraph> {
  const { model: protectedModel, plan, screening, noise_key_id: noiseKeyId } = readCompiledModel(compiled);
  if (screening !== undefined) {
    throw new GuardError(
      'invalid_model',
      'a graph for screening is served by a gpu-worker alone, which decodes its examples',
    );
  }
  if (plan.only !== undefined) {
    throw new GuardError(
      'invalid_model',
      'stages of a sequential test are served by a gpu-worker alone: their versions are no numbers',
    );
  }
  const identity = { modelDigest: protectedModel.digest, noiseKeyId, planDigest: await planDigest(plan) };
  const outputName = await identityOutputName(identity, await sha256Digest(compiled));
  const model = loadModel(compiled);
  const graph = buildOn(model, 'guard_identity');
  const rows = graph.op('Gather', [graph.op('Shape', [compiledTensors.input]), graph.ints([0])]);
  const shape = graph.op('Concat', [rows, graph.ints([1])], { axis: 0 });
  graph.op('ConstantOfShape', [shape], {}, outputName);
  graph.output(outputName, ['R', 1]);
  tidyGraph(model);
  return { bytes: saveModel(model), outputName };
}

// NCCR vectors and logit margins of a set of inputs, by the same compiled graph and code as at request time.
import type { VectorDesign } from '../../shared/contracts/detector-artefact.ts';
import { type CompiledModel, planCopies, planNoiseCopies } from '../../shared/contracts/extraction.ts';
import { nccrL2 } from '../../shared/maths/nccr.ts';
import { argmax, logitMargin } from '../../shared/maths/nccr-vector.ts';
import { planVector, planVectorLength } from '../../shared/maths/plan-vector.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import type { NoiseKey } from '../../shared/noise/noise-key.ts';
import { selectRows } from '../../shared/noise/select-rows.ts';
import type { LoadedModel } from '../engine/engine.ts';
import { extract } from '../extraction/extract.ts';

/** A compiled model, ready to run. */
export interface Extractor {
  readonly model: LoadedModel;
  readonly compiled: CompiledModel;
  readonly noiseKey: NoiseKey;
}

/** What is known of each input after one extraction. */
export interface ExtractedRows {
  readonly count: number;
  /** Row-major [count, length]. */
  readonly vectors: Float64Array;
  readonly length: number;
  /** [count]: gap between the two highest logits of the input itself. */
  readonly margins: Float64Array;
  /** [count]: mean over copies with noise (without any, over all) of the l2 norm of the logits' change, the paper's scalar. */
  readonly l2: Float64Array;
  /** [count]: the model's label. */
  readonly predicted: Int32Array;
}

/** Inputs in flight at once: enough to keep every worker of an engine busy, few enough for its queue. */
const inFlight = 16;

/**
 * Extracts every row on its own, so that its bits are those of a request with one row.
 * @param inputs row-major [count, ...inputShape]
 * @param onProgress called with the share done
 */
export async function extractVectors(
  { model, compiled, noiseKey }: Extractor,
  inputs: Float32Array,
  { design, onProgress }: { design: VectorDesign; onProgress?: (share: number) => void },
): Promise<ExtractedRows> {
  const { input_shape: inputShape, classes } = compiled.model;
  const size = elementCount(inputShape);
  const count = inputs.length / size;
  const { plan } = compiled;
  const length = planVectorLength(design, { classes, plan });
  // The paper's scalar is of noise; where the plan has none, it is of the transforms.
  const copies = planNoiseCopies(plan) || planCopies(plan);
  const rows = {
    vectors: new Float64Array(count * length),
    margins: new Float64Array(count),
    l2: new Float64Array(count),
    predicted: new Int32Array(count),
  };
  let next = 0;
  const work = async () => {
    for (let row = next++; row < count; row = next++) {
      const x = inputs.slice(row * size, (row + 1) * size);
      const selection = await selectRows(noiseKey, plan, x);
      const { logits } = await extract(model, { x, inputShape, selections: [selection] });
      rows.vectors.set(planVector({ logits, plan, classes }, design), row * length);
      rows.margins[row] = logitMargin(logits.subarray(0, classes));
      rows.l2[row] = nccrL2({ values: logits.subarray(0, (copies + 1) * classes), copies, neurons: classes });
      rows.predicted[row] = argmax(logits.subarray(0, classes));
      if (row % 64 === 0) onProgress?.(row / count);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, work));
  onProgress?.(1);
  return { count, length, ...rows };
}

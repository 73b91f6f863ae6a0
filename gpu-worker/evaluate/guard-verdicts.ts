// The real guard's verdicts on a set of inputs: its compiled graph under its key, and its artefact's threshold.
import { mlpScore } from '../../shared/detector/mlp.ts';
import { planVector } from '../../shared/maths/plan-vector.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import { selectRows } from '../../shared/noise/select-rows.ts';
import type { AskGuard, GuardAnswers } from '../attacks/guarded-target.ts';
import { type KnownDetector, knownThreshold } from '../attacks/joint-loss.ts';
import { designVectors, type Extractor, extractRows, rowLogits } from '../calibrate/extract-rows.ts';
import { scoreVectors } from '../calibrate/fit-detector.ts';
import { extract } from '../extraction/extract.ts';

/** Rows of one run of a search's questions: larger batches are slower a row on processors. */
const batchRows = 16;

/**
 * Judges inputs one by one, as requests are.
 * @param inputs row-major [rows, ...inputShape]
 */
export async function guardVerdicts(
  extractor: Extractor,
  detector: KnownDetector,
  inputs: Float32Array,
): Promise<GuardAnswers> {
  const rows = await extractRows(extractor, inputs);
  const scores = scoreVectors(detector.mlp, designVectors(rows, detector.design));
  const { classes } = extractor.compiled.model;
  const logits = new Float32Array(rows.count * classes);
  const passed = new Uint8Array(rows.count);
  for (const [row, score] of scores.entries()) {
    const own = rowLogits(rows, row).subarray(0, classes);
    logits.set(own, row * classes);
    passed[row] = score > knownThreshold(detector, own) ? 0 : 1;
  }
  return { logits, passed };
}

/**
 * The guard for searches that ask it thousands of times: in batches, whose last bits may differ from a single request's.
 * What a search finds is judged again by {@link guardVerdicts}.
 */
export function batchedGuard({ model, compiled, noiseKey }: Extractor, detector: KnownDetector): AskGuard {
  const { design, mlp } = detector;
  const { plan } = compiled;
  const { input_shape: inputShape, classes } = compiled.model;
  const size = elementCount(inputShape);
  return async (inputs) => {
    const count = inputs.length / size;
    const logits = new Float32Array(count * classes);
    const passed = new Uint8Array(count);
    for (let first = 0; first < count; first += batchRows) {
      const x = inputs.slice(first * size, Math.min(count, first + batchRows) * size);
      const rows = Array.from({ length: x.length / size }, (_, row) =>
        x.subarray(row * size, (row + 1) * size),
      );
      const selections = await Promise.all(rows.map((row) => selectRows(noiseKey, plan, row)));
      const { logits: all, changes } = await extract(model, { x, inputShape, selections });
      const width = all.length / rows.length;
      const columns = (changes?.length ?? 0) / rows.length;
      for (const row of rows.keys()) {
        const own = all.subarray(row * width, (row + 1) * width);
        const input = own.subarray(0, classes);
        logits.set(input, (first + row) * classes);
        const changed = changes?.subarray(row * columns, (row + 1) * columns);
        const score = mlpScore(mlp, planVector({ logits: own, changes: changed, plan, classes }, design));
        passed[first + row] = score > knownThreshold(detector, input) ? 0 : 1;
      }
    }
    return { logits, passed };
  };
}

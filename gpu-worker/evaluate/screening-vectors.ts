// The vectors that our own screening clusters, by the compiled graph that the gpu-worker serves for it.
import { createHash } from 'node:crypto';
import { elementCount } from '../../shared/maths/tensor.ts';
import { importNoiseKey } from '../../shared/noise/noise-key.ts';
import { selectRows } from '../../shared/noise/select-rows.ts';
import { compileModel } from '../extraction/compile-model.ts';
import { extract } from '../extraction/extract.ts';
import { planScreening } from '../extraction/plan-screening.ts';
import type { KnownPoisonWork } from './screen-known-poison.ts';

/** Rows of one run, and runs in flight at once. */
const batchRows = 32;
const inFlight = 8;

/** What is clustered, and what runner-up labels are read from. */
export interface ScreeningVectors {
  /** Row-major [count, neurons]. */
  readonly vectors: Float32Array;
  /** Row-major [count, classes], of the examples as they are. */
  readonly logits: Float32Array;
  /** Seconds that the extraction took. */
  readonly seconds: number;
}

/**
 * Extracts the signed change of the penultimate activation of every example, under noise of a key that the seed makes.
 * @throws GuardError `invalid_model` where the model cannot be compiled for screening
 */
export async function screeningVectors(
  { engine, model: modelBytes, set: { dataset }, range }: KnownPoisonWork,
  { seed, onProgress }: { seed: number; onProgress: (share: number) => void },
): Promise<ScreeningVectors> {
  const digest = createHash('sha256').update(`nccr-guard/screening-table/${seed}`).digest();
  const noiseKey = await importNoiseKey(digest);
  const plan = await planScreening(modelBytes, { engine, mode: 'nccr', range });
  const { bytes, compiled } = await compileModel(modelBytes, {
    name: dataset.name,
    plan,
    noiseKey,
    engine,
    screening: 'nccr',
  });
  const { input_shape: inputShape, classes } = compiled.model;
  const size = elementCount(inputShape);
  const count = dataset.labels.length;
  const runs = 1 + plan.noise.reduce((sum, { copies }) => sum + copies, 0);
  const logits = new Float32Array(count * classes);
  let vectors: Float32Array | undefined;
  const model = await engine.load(bytes);
  const startedAt = performance.now();
  let next = 0;
  const work = async () => {
    for (let first = next; first < count; first = next) {
      next += batchRows;
      const last = Math.min(count, first + batchRows);
      const x = dataset.inputs.subarray(first * size, last * size);
      const selections = await Promise.all(
        Array.from({ length: last - first }, (_, row) =>
          selectRows(noiseKey, plan, x.subarray(row * size, (row + 1) * size)),
        ),
      );
      const extraction = await extract(model, { x, inputShape, selections });
      const changes = extraction.changes!;
      const neurons = changes.length / (last - first);
      vectors ??= new Float32Array(count * neurons);
      vectors.set(changes, first * neurons);
      for (let row = first; row < last; row++) {
        const start = (row - first) * runs * classes;
        logits.set(extraction.logits.subarray(start, start + classes), row * classes);
      }
      onProgress(last / count);
    }
  };
  try {
    await Promise.all(Array.from({ length: inFlight }, work));
  } finally {
    await model.release();
  }
  return { vectors: vectors!, logits, seconds: (performance.now() - startedAt) / 1000 };
}

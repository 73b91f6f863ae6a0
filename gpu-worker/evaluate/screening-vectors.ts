// What our own screening clusters of a set in memory, extracted as an offline screening and a job extract it.
import { assert } from '../../shared/assert.ts';
import { shardExamplesMax } from '../../shared/limits.ts';
import { concatenateFloats, elementCount } from '../../shared/maths/tensor.ts';
import { exampleExtractor } from '../screening/example-extractor.ts';
import type { KnownPoisonWork } from './screen-known-poison.ts';
import type { OwnMethod } from './screening-methods.ts';

/** What is clustered, and the runner-up labels. */
export interface ScreeningVectors {
  /** Row-major [count, neurons]. */
  readonly vectors: Float32Array;
  /** [count]. */
  readonly runnersUp: Int32Array;
  /** Of the model. */
  readonly classes: number;
  /** Seconds that the extraction took. */
  readonly seconds: number;
}

/** How to extract. */
export interface ScreeningVectorsOptions {
  readonly mode: OwnMethod;
  /** Of the noise. */
  readonly seed: number;
  /** Called with the share done. */
  readonly onProgress: (share: number) => void;
}

/**
 * Extracts every example of a set.
 * @throws GuardError `invalid_model` where the model cannot screen; `invalid_dataset` where it cannot read the images
 */
export async function screeningVectors(
  { engine, model, set: { dataset }, range }: KnownPoisonWork,
  { mode, seed, onProgress }: ScreeningVectorsOptions,
): Promise<ScreeningVectors> {
  const { name, inputs, inputShape, labels } = dataset;
  assert(inputShape.length === 3, 'examples are images');
  const [channels, height, width] = inputShape;
  const extractor = await exampleExtractor(model, { engine, name, mode, range, seed });
  const startedAt = performance.now();
  const size = elementCount(inputShape);
  const vectors: Float32Array[] = [];
  const runnersUp = new Int32Array(labels.length);
  for (let first = 0; first < labels.length; first += shardExamplesMax) {
    const last = Math.min(labels.length, first + shardExamplesMax);
    const data = inputs.slice(first * size, last * size);
    const extracted = await extractor.extract({
      firstRow: first,
      labels: labels.slice(first, last),
      pixels: { shape: [channels, height, width], datatype: 'FP32', data },
    });
    vectors.push(extracted.vectors);
    runnersUp.set(extracted.runnersUp, first);
    onProgress(last / labels.length);
  }
  const seconds = (performance.now() - startedAt) / 1000;
  const { classes } = extractor.compiled.model;
  return { vectors: concatenateFloats(vectors), runnersUp, classes, seconds };
}

// From what a network's layers do under noise of several strengths to the vector of a detector for recordings.
import { assert, assertShape } from '../assert.ts';
import type { NoiseSegment, Tap } from '../contracts/extraction.ts';
import { argmax, logitMargin } from './nccr-vector.ts';

/** Keep a relative change and its logarithm finite where a layer is silent or nothing changed. */
const baseFloor = 1e-9;
const changeFloor = 1e-6;

/** What is read of one input. */
export interface LevelledLayers {
  /** Row-major [copies + 1, classes], finite; row 0 is the input, the copies of each strength follow each other. */
  readonly logits: Float32Array;
  readonly classes: number;
  /** [columns of `changeColumns`], finite. */
  readonly changes: ArrayLike<number>;
  readonly plan: { readonly noise: readonly NoiseSegment[]; readonly taps: readonly Tap[] };
}

/** Layers that a plan reads at every strength of its noise. */
export function levelledLayers({ taps }: { readonly taps: readonly Tap[] }): number {
  return taps.filter(({ kind }) => kind === 'levels').length;
}

/** Number of entries: for each strength one a layer and one for the labels, and the margin. */
export function layerLevelsLength({ noise, taps }: LevelledLayers['plan']): number {
  return noise.length * (levelledLayers({ taps }) + 1) + 1;
}

/**
 * Assembles the vector of one input: strength by strength `ln(mean over the copies of mean |F(x') - F(x)| / (mean |F(x)| + 1e-9) +
 * 1e-6)` of every layer and the share of copies whose label flips, then the margin between the two highest logits.
 *
 * Deviation: the paper's vector is the change `|F(x') - F(x)|` of one noise. Of speech the change of the scores alone misleads
 * (AUROC 0.08 to 0.32 on FGSM and FAKEBOB): adversarial noise fills the silent bands, and small noise beside it changes little.
 * @returns [layerLevelsLength(plan)], finite
 * @throws Error where logits or changes do not have the plan's shape
 * @see NCCR, sections 3.2 and 5.2
 */
export function layerLevels({ logits, classes, changes, plan }: LevelledLayers): Float64Array {
  const { noise, taps } = plan;
  const copies = noise.reduce((sum, segment) => sum + segment.copies, 0);
  assert(copies > 0 && classes >= 2, 'a vector needs a copy and two classes');
  assert(logits.length >= (copies + 1) * classes, 'there are logits of the input and of its copies');
  const columns = taps.reduce((sum, tap) => sum + levelColumns(tap), 0);
  assert(
    taps.every(({ kind }) => kind === 'levels'),
    'taps of levels stand alone in a plan',
  );
  assertShape(changes, [columns], 'changes');
  const input = logits.subarray(0, classes);
  const label = argmax(input);
  const vector = new Float64Array(layerLevelsLength(plan));
  let [entry, copy] = [0, 1];
  for (const [level, segment] of noise.entries()) {
    for (let first = 0; first < columns; first += noise.length + 1) {
      const base = changes[first + noise.length];
      vector[entry++] = Math.log(changes[first + level] / (base + baseFloor) + changeFloor);
    }
    let flips = 0;
    for (const end = copy + segment.copies; copy < end; copy++) {
      if (argmax(logits.subarray(copy * classes, (copy + 1) * classes)) !== label) flips++;
    }
    vector[entry++] = flips / segment.copies;
  }
  vector[entry] = logitMargin(input);
  return vector;
}

function levelColumns(tap: Tap): number {
  return tap.kind === 'levels' ? tap.levels + 1 : 0;
}

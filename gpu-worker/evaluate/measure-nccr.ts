// NCCR of a model over a data set: what sets of small noise change in its logits and its layers.
import { GuardError } from '../../shared/errors.ts';
import { normChange } from '../../shared/maths/nccr.ts';
import { elementCount, float32Tensor } from '../../shared/maths/tensor.ts';
import { predictedLabel } from '../attacks/attack.ts';
import type { Dataset } from '../datasets/dataset.ts';
import type { LoadedModel } from '../engine/engine.ts';
import { perturbRows, type SetNoise } from './noise-sets.ts';

/** A model whose activations can be read. */
export interface ReadableModel {
  /** `x [R, ...]` to `logits [R, K]` and `tap_i [R, width_i]`, as `tappedModel` makes it. */
  readonly model: LoadedModel;
  readonly classes: number;
  /** Elements of a row of each tap. */
  readonly widths: readonly number[];
}

/** What the sets of noise change. Rows are those of the data set. */
export interface NccrSamples {
  /** [sets][rows]: l2 norm of the change of the logits. */
  readonly l2: readonly Float64Array[];
  /** [sets][rows]: the same of the centred logits relative to their norm; see {@link normFloor}. */
  readonly relative: readonly Float64Array[];
  /** [rows]: 1 where the model labels the input right. */
  readonly right: Uint8Array;
  /** [sets]: share of the perturbed inputs that it labels right. */
  readonly rightPerturbed: readonly number[];
  /** [taps]: of each the sums over all rows, by set. */
  readonly layers: readonly LayerSums[];
}

/** Sums over the rows of a data set for one tap. */
export interface LayerSums {
  /** [sets]: sum of the l2 norms of the changes. */
  readonly change: Float64Array;
  /** Sum of the l2 norms of the activations on the inputs. */
  norm: number;
}

/**
 * Least norm that a change is relative to, as a share of the mean norm over the data set: of an input for which all logits are
 * nearly equal, nothing could be said otherwise.
 */
export const normFloor = 0.01;

/** Rows of one run at most, and elements of its outputs: activations of large networks are held a few rows at a time. */
const [runRowsMax, runElementsMax] = [32, 4_000_000];

/**
 * Measures a model.
 * @throws GuardError `invalid_model` where it gives numbers that are not finite, or gives every input equal logits
 * @see NCCR, sections 3.2 and 4
 */
export async function measureNccr(
  readable: ReadableModel,
  dataset: Dataset,
  { noise, onProgress }: { readonly noise: SetNoise; readonly onProgress?: (share: number) => void },
): Promise<NccrSamples> {
  const { classes, widths } = readable;
  const rows = dataset.labels.length;
  const perSet = () => Array.from({ length: noise.sets }, () => new Float64Array(rows));
  const found = {
    l2: perSet(),
    centred: perSet(),
    norms: new Float64Array(rows),
    right: new Uint8Array(rows),
    rightPerturbed: new Float64Array(noise.sets),
    layers: widths.map((): LayerSums => ({ change: new Float64Array(noise.sets), norm: 0 })),
  };
  const rowElements = classes + widths.reduce((sum, width) => sum + width, 0);
  const step = Math.max(1, Math.min(runRowsMax, Math.floor(runElementsMax / rowElements)));
  for (let first = 0; first < rows; first += step) {
    await measureRows(readable, dataset, { first, count: Math.min(step, rows - first), noise, found });
    onProgress?.(Math.min(1, (first + step) / rows));
  }
  const floor = normFloor * (found.norms.reduce((sum, norm) => sum + norm, 0) / rows);
  if (floor === 0) {
    const detail = 'the model gives all classes of every input one logit: there is nothing that could change';
    throw new GuardError('invalid_model', detail);
  }
  return {
    l2: found.l2,
    relative: found.centred.map((changes) =>
      changes.map((change, row) => change / Math.max(floor, found.norms[row])),
    ),
    right: found.right,
    rightPerturbed: Array.from(found.rightPerturbed, (count) => count / rows),
    layers: found.layers,
  };
}

/** What is gathered while batches are run. */
interface Gathered {
  readonly l2: readonly Float64Array[];
  readonly centred: readonly Float64Array[];
  readonly norms: Float64Array;
  readonly right: Uint8Array;
  readonly rightPerturbed: Float64Array;
  readonly layers: readonly LayerSums[];
}

async function measureRows(
  { model, classes, widths }: ReadableModel,
  { inputs, inputShape, labels }: Dataset,
  { first, count, noise, found }: { first: number; count: number; noise: SetNoise; found: Gathered },
): Promise<void> {
  const size = elementCount(inputShape);
  const rows = inputs.slice(first * size, (first + count) * size);
  const run = async (x: Float32Array): Promise<Outputs> => {
    const answer = await model.run({ x: float32Tensor(x, [count, ...inputShape]) });
    return {
      logits: answer.logits.data as Float32Array,
      taps: widths.map((_, tap) => answer[`tap_${tap}`].data as Float32Array),
    };
  };
  const clean = await run(rows);
  requireFinite(clean, { first, widths, classes });
  for (let row = 0; row < count; row++) {
    const logits = clean.logits.subarray(row * classes, (row + 1) * classes);
    found.norms[first + row] = normChange(logits, logits, true).norm;
    if (predictedLabel(clean.logits, row, classes) === labels[first + row]) found.right[first + row] = 1;
  }
  await Promise.all(
    Array.from({ length: noise.sets }, async (_, set) => {
      const perturbed = await run(perturbRows(rows, noise, { set, first, size }));
      requireFinite(perturbed, { first, widths, classes });
      for (let row = 0; row < count; row++) {
        const [before, after] = [clean, perturbed].map(({ logits }) =>
          logits.subarray(row * classes, (row + 1) * classes),
        );
        found.l2[set][first + row] = normChange(before, after).change;
        found.centred[set][first + row] = normChange(before, after, true).change;
        if (predictedLabel(perturbed.logits, row, classes) === labels[first + row])
          found.rightPerturbed[set]++;
      }
      addLayers(found.layers, { clean, perturbed, widths, count, set });
    }),
  );
}

/** Outputs of one run. */
interface Outputs {
  /** [rows, classes]. */
  readonly logits: Float32Array;
  /** [taps], each [rows, width]. */
  readonly taps: readonly Float32Array[];
}

function addLayers(
  layers: readonly LayerSums[],
  {
    clean,
    perturbed,
    widths,
    count,
    set,
  }: { clean: Outputs; perturbed: Outputs; widths: readonly number[]; count: number; set: number },
): void {
  for (const [tap, width] of widths.entries()) {
    for (let row = 0; row < count; row++) {
      const [before, after] = [clean, perturbed].map(({ taps }) =>
        taps[tap].subarray(row * width, (row + 1) * width),
      );
      const { change, norm } = normChange(before, after);
      layers[tap].change[set] += change;
      if (set === 0) layers[tap].norm += norm;
    }
  }
}

function requireFinite(
  { logits, taps }: Outputs,
  { first, widths, classes }: { first: number; widths: readonly number[]; classes: number },
): void {
  for (const [index, values] of [logits, ...taps].entries()) {
    const wrong = values.findIndex((value) => !Number.isFinite(value));
    if (wrong < 0) continue;
    const width = index === 0 ? classes : widths[index - 1];
    const row = first + Math.floor(wrong / width);
    const what = index === 0 ? 'logit' : 'activation';
    throw new GuardError(
      'invalid_model',
      `the model gives a ${what} that is not finite on input ${row}, or its copy`,
    );
  }
}

/** Mean over the sets of each row, [rows]. */
export function meanOverSets(sets: readonly Float64Array[]): Float64Array {
  return sets[0].map((_, row) => sets.reduce((sum, values) => sum + values[row], 0) / sets.length);
}

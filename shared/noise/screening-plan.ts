// The plans of screening: noise that destroys an image and the drift of the penultimate layer, or its activation alone.
import type { ExtractionPlan, NoiseSegment } from '../contracts/extraction.ts';
import type { ScreeningMode } from '../contracts/screening.ts';

/** Bound of the noise as a share of the range: 256 steps of a byte, at which nothing of the image is left (paper, section 6). */
const destroyingEpsilon = 256 / 255;
/** Copies whose drifts are averaged. */
const copies = 3;
/** Rows of the bank where images are small; each counts twice by its sign. */
const rowsMost = 1_024;
/** Rows of the bank where images are large: with their signs they still make 4,480 choices of three. */
const rowsLeast = 16;
/** Bytes that the bank may add to the compiled graph while there are rows to spare. */
const bankBytesMax = 16 * 1024 * 1024;

/** What a plan of screening depends on. */
export interface ScreeningInput {
  readonly mode: ScreeningMode;
  /** Lowest and highest valid value of the model's input. */
  readonly range: readonly [number, number];
  /** Elements of one input. */
  readonly inputSize: number;
}

/**
 * The noise from which the rows and signs of each example are selected, for whoever asks a gpu-worker; none where the mode has
 * no noise.
 */
export function screeningNoise({ mode, range, inputSize }: ScreeningInput): NoiseSegment[] {
  if (mode === 'activation') return [];
  const affordable = Math.floor(bankBytesMax / (inputSize * Float32Array.BYTES_PER_ELEMENT));
  const rows = Math.min(rowsMost, Math.max(rowsLeast, affordable));
  return [{ family: 'uniform', epsilon: destroyingEpsilon * (range[1] - range[0]), rows, copies }];
}

/**
 * The plan of a graph for screening.
 *
 * Deviation: the paper takes the mean of the absolute change over all layers; signed and of the penultimate layer alone it tells
 * poison from clean examples, as a scalar it does not.
 * @param layer the penultimate activation, its neurons, and how many they were before they were projected
 * @see NCCR, section 6
 */
export function screeningPlan(
  input: ScreeningInput,
  layer: { readonly tensor: string; readonly neurons: number; readonly projected_from?: number },
): ExtractionPlan {
  const plan = { input_range: [...input.range] as [number, number], transforms: [] };
  if (input.mode === 'nccr') {
    return { ...plan, noise: screeningNoise(input), taps: [{ kind: 'drifts', ...layer }] };
  }
  // A plan has a copy by its contract; this one is never made, since the graph runs the input alone.
  const notRun: NoiseSegment = { family: 'uniform', epsilon: destroyingEpsilon, rows: 1, copies: 1 };
  return { ...plan, noise: [notRun], taps: [{ kind: 'activations', ...layer }], only: [0] };
}

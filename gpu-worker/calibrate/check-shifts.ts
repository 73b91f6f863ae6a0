// False positives on shifted clean images: what decides whether a design on neurons may be used for a model.
import {
  type DetectorArtefact,
  designReads,
  type VectorDesign,
} from '../../shared/contracts/detector-artefact.ts';
import type { Mlp } from '../../shared/detector/mlp.ts';
import { rowThreshold } from '../../shared/detector/row-threshold.ts';
import { GuardError } from '../../shared/errors.ts';
import type { AttackTarget } from '../attacks/attack-target.ts';
import { reportedShifts, shiftImages, shiftName } from '../datasets/clean-shifts.ts';
import type { Dataset } from '../datasets/dataset.ts';
import { designVectors, type Extractor, extractRows, predictedLabels } from './extract-rows.ts';
import { lowestRate } from './false-positive-interval.ts';
import { scoreVectors } from './fit-detector.ts';
import { correctRows, type StageProgress } from './training-inputs.ts';

/** Shares of shifted clean images that are flagged, as an artefact lists them. */
export type ShiftRates = NonNullable<DetectorArtefact['calibration']['shifts']>;

/** Shifted clean images may be flagged at this many times the target rate. */
const shiftFactor = 2;

/** What is judged, and how. */
export interface ShiftCheck {
  readonly extractor: Extractor;
  readonly target: AttackTarget;
  /** Clean images that took no part in training. */
  readonly dataset: Dataset;
  readonly mlp: Mlp;
  readonly threshold: DetectorArtefact['threshold'];
}

/** What is expected of a design. */
export interface ShiftOptions {
  readonly design: VectorDesign;
  readonly targetFpr: number;
  readonly seed: number;
  /** Whether shifts may be flagged too often. */
  readonly acceptShifts?: boolean;
}

/**
 * Measures a design on neurons on shifted clean images, and refuses it where they are flagged too often.
 * @returns undefined for the other designs, which were found to keep their rate
 * @throws GuardError `invalid_dataset` with the figures, unless that is accepted
 */
export async function checkShifts(
  check: ShiftCheck,
  options: ShiftOptions,
  onStage: StageProgress,
): Promise<ShiftRates | undefined> {
  const { design, targetFpr, acceptShifts = false } = options;
  if (!designReads[design].neurons) return undefined;
  const rates = await shiftRates(check, options, onStage);
  if (!acceptShifts) requireFewShifts(rates, design, targetFpr);
  return rates;
}

/**
 * Changes the images as cameras and clients do, and counts which of those that the model still gets right are flagged.
 * @throws GuardError `invalid_dataset` where the model gets no image right
 */
async function shiftRates(
  { extractor, target, dataset, mlp, threshold }: ShiftCheck,
  { design, seed }: ShiftOptions,
  onStage: StageProgress,
): Promise<ShiftRates> {
  const correct = await correctRows(target, dataset);
  const rates: ShiftRates = [];
  for (const [index, shift] of reportedShifts.entries()) {
    const inputs = await shiftImages(correct, shift, seed + 100 + index);
    const kept = await correctRows(target, { ...correct, inputs });
    const rows = await extractRows(extractor, kept.inputs);
    const predicted = predictedLabels(rows);
    const scores = scoreVectors(mlp, designVectors(rows, design));
    const flagged = scores.filter((score, row) => score > rowThreshold(threshold, predicted[row]));
    rates.push({ shift: shiftName(shift), images: rows.count, flagged: flagged.length / rows.count });
    onStage('try shifted images', (index + 1) / reportedShifts.length);
  }
  return rates;
}

/**
 * The shifts that are flagged too often: at more than twice the target rate, which chance alone does not explain.
 * @returns those whose 95 % interval lies above it, the worst first
 */
export function excessiveShifts(rates: ShiftRates, targetFpr: number): ShiftRates {
  return rates
    .filter(
      ({ images, flagged }) =>
        lowestRate({ events: Math.round(flagged * images), trials: images }) > shiftFactor * targetFpr,
    )
    .sort((left, right) => right.flagged - left.flagged);
}

/**
 * Refuses a design where shifts are flagged too often.
 * @throws GuardError `invalid_dataset` with the figures
 */
export function requireFewShifts(rates: ShiftRates, design: string, targetFpr: number): void {
  const worst = excessiveShifts(rates, targetFpr);
  if (worst.length === 0) return;
  const figures = worst.map(
    ({ shift, flagged, images }) => `${(100 * flagged).toFixed(1)} % of ${images} under ${shift}`,
  );
  const limit = `more than ${shiftFactor} times the target rate of ${100 * targetFpr} %`;
  throw new GuardError(
    'invalid_dataset',
    `${design} flags too many shifted clean images of this model, ${limit}: ${figures.join(', ')}`,
  );
}

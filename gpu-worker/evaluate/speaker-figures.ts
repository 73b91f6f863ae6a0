// What a set of windows looks like to each way of scoring beside the clean ones, by window and by utterance.
import { auroc, rateAbove, tprAtFpr } from '../../shared/maths/auroc.ts';
import { mehFest } from '../baselines/meh-fest.ts';
import { type ExtractedRows, rowMargins, rowNccrL2 } from '../calibrate/extract-rows.ts';
import type { Dataset } from '../datasets/dataset.ts';
import { utteranceScores } from './speaker-sets.ts';

/** One way of scoring on one set; means over the seeds. */
export interface SpeakerFigures {
  readonly auroc: number;
  /** Deviation of the AUROC over the seeds. */
  readonly auroc_deviation: number;
  /** Scores averaged over an utterance. */
  readonly auroc_pooled: number;
  /** True positive rate where 5 % of the clean test windows are flagged. */
  readonly tpr_at_5: number;
  /** Share flagged at the threshold of 5 % that the held-out windows set. */
  readonly flagged: number;
}

/** Scores of a set by every column, [count] a seed. */
export type Columns = Readonly<Record<string, readonly Float64Array[]>>;

/** Scores by the baselines: the logit margin, MEH-FEST, and the plain change of the scores under noise. */
export function baselineScores(rows: ExtractedRows, { inputs, inputShape }: Dataset): Columns {
  return {
    margin: [rowMargins(rows).map((margin) => -margin)],
    'MEH-FEST': [mehFest({ inputs, samples: inputShape[inputShape.length - 1] })],
    'l2 of the scores': [rowNccrL2(rows)],
  };
}

/** A set with its scores. */
export interface ScoredWindows {
  readonly scores: Columns;
  readonly windows: Dataset;
}

/** Compares a set with the clean windows in every way of scoring; thresholds are a seed's own. */
export function compareSets(
  set: ScoredWindows,
  clean: ScoredWindows,
  limits: Readonly<Record<string, readonly number[]>>,
): Record<string, SpeakerFigures> {
  const pooled = ({ windows }: ScoredWindows, scores: Float64Array) => utteranceScores(scores, windows);
  return Object.fromEntries(
    Object.entries(set.scores).map(([name, seeds]) => {
      const seen = seeds.map((own, seed) => {
        const others = clean.scores[name][seed];
        return {
          auroc: auroc(own, others),
          pooled: auroc(pooled(set, own), pooled(clean, others)),
          tpr: tprAtFpr(own, others, 0.05),
          flagged: rateAbove(own, limits[name][seed]),
        };
      });
      const mean = (pick: (one: (typeof seen)[number]) => number) =>
        seen.reduce((sum, one) => sum + pick(one), 0) / seen.length;
      const area = mean((one) => one.auroc);
      const figures: SpeakerFigures = {
        auroc: area,
        auroc_deviation: Math.sqrt(mean((one) => (one.auroc - area) ** 2)),
        auroc_pooled: mean((one) => one.pooled),
        tpr_at_5: mean((one) => one.tpr),
        flagged: mean((one) => one.flagged),
      };
      return [name, figures];
    }),
  );
}

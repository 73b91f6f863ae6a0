// Chooses which scores leave doubt at each stage of a sequential test, so that clean inputs cost no more than a budget.
import { assert } from '../../shared/assert.ts';
import { auroc } from '../../shared/maths/auroc.ts';

/** Rows of one source with their scores at every stage. */
export interface StageScores {
  readonly adversarial: boolean;
  /** Whether the budget is of these rows: clean inputs as they come. */
  readonly isPlain: boolean;
  /** Whether the rows only count in the budget, as inputs do that the model gets wrong: no attack starts from them. */
  readonly isCostOnly?: boolean;
  /** One a stage, each [rows]; by perceptrons that were not trained on the row. */
  readonly scores: readonly Float64Array[];
}

/** What the choice is bound by. */
export interface DoubtOptions {
  /** Copies that were run by the end of each stage. */
  readonly copies: readonly number[];
  /** Mean copies that plain clean rows may cost. */
  readonly copiesMean: number;
  /** Share of the clean rows that may end at a stage as adversarial. */
  readonly upperRate: number;
}

/** Scores strictly between leave doubt. */
export interface Doubt {
  readonly lower: number;
  readonly upper: number;
}

/** Rows of a source that are looked at; more would tell little and take long. */
const rowsMax = 1000;
/** Steps by which the share of clean rows that end at a stage as clean is raised, and its highest value. */
const shareSteps = [0.05, 0.1, 0.2];
const shareMax = 0.95;
/** Halvings of the last step, and exchanges between stages. */
const halvingsMax = 6;
const exchangesMax = 10;
/**
 * Chooses the bounds. Upper ones are high quantiles of the clean rows' scores. Lower ones are raised step by step, each time
 * where the area under the ROC curve loses least for what the step saves, until the budget holds.
 *
 * They decide when a test ends; what is flagged is for the threshold of its final score alone, so that no choice here can
 * break the threshold's promise.
 * @returns one a stage but the last
 * @throws Error where a side is missing
 */
export function chooseDoubt(all: readonly StageScores[], options: DoubtOptions): Doubt[] {
  const { copies, copiesMean, upperRate } = options;
  const sources = all.map(thinOut).filter(({ scores }) => scores[0].length > 0);
  const clean = sources.filter(({ adversarial, isCostOnly }) => !adversarial && !isCostOnly);
  assert(
    clean.length > 0 && sources.some(({ adversarial }) => adversarial),
    'a choice needs clean and adversarial rows',
  );
  const stages = copies.length - 1;
  const ascending = Array.from({ length: stages }, (_, stage) =>
    Float64Array.from(clean.flatMap(({ scores }) => [...scores[stage]])).sort(),
  );
  const quantile = (stage: number, share: number) =>
    ascending[stage][Math.min(ascending[stage].length - 1, Math.floor(share * ascending[stage].length))];
  const bounds = (shares: readonly number[]): Doubt[] =>
    shares.map((share, stage) => ({
      lower: share === 0 ? Number.NEGATIVE_INFINITY : quantile(stage, share),
      upper: quantile(stage, 1 - upperRate),
    }));
  const whole = measureBounds(sources, bounds(Array.from({ length: stages }, () => 0)), copies);
  const measure = (shares: readonly number[]) => {
    const { areas, cost } = measureBounds(sources, bounds(shares), copies);
    const gains = areas.map((area, source) => area - whole.areas[source]);
    // The source that loses most counts as much as the mean of all.
    return { worth: gains.reduce((sum, gain) => sum + gain, 0) / gains.length + Math.min(...gains), cost };
  };
  const none = Array.from({ length: stages }, () => 0);
  const lowered = lowerCost({ shares: none, ...measure(none) }, measure, copiesMean);
  return bounds(exchangeShares(lowered, measure, copiesMean).shares);
}

/** Shares of the clean rows that end at each stage as clean, what they are worth and what they cost. */
interface Choice {
  readonly shares: readonly number[];
  readonly worth: number;
  readonly cost: number;
}

type Measure = (shares: readonly number[]) => Pick<Choice, 'worth' | 'cost'>;

/** Raises shares until the budget holds, each time where that is cheapest; the last step is cut to what is needed. */
function lowerCost(start: Choice, measure: Measure, copiesMean: number): Choice {
  let chosen = start;
  while (chosen.cost > copiesMean) {
    let best: (Choice & { readonly stage: number; readonly price: number }) | undefined;
    for (const [stage, before] of chosen.shares.entries()) {
      for (const step of shareSteps) {
        if (before + step > shareMax + 1e-9) continue;
        const shares = chosen.shares.with(stage, before + step);
        const measured = measure(shares);
        const saved = chosen.cost - measured.cost;
        if (saved <= 0) continue;
        const price = (chosen.worth - measured.worth) / saved;
        if (best === undefined || price < best.price) best = { shares, stage, ...measured, price };
      }
    }
    if (best === undefined) return chosen;
    let [low, high] = [chosen.shares[best.stage], best.shares[best.stage]];
    let next: Choice = best;
    for (let halving = 0; next.cost < copiesMean && halving < halvingsMax; halving++) {
      const shares = best.shares.with(best.stage, (low + high) / 2);
      const measured = { shares, ...measure(shares) };
      if (measured.cost <= copiesMean) [next, high] = [measured, (low + high) / 2];
      else low = (low + high) / 2;
    }
    chosen = next;
  }
  return chosen;
}

/** Moves shares from one stage to another while that is worth something and the budget holds. */
function exchangeShares(start: Choice, measure: Measure, copiesMean: number): Choice {
  let chosen = start;
  for (let round = 0; round < exchangesMax; round++) {
    let best = chosen;
    for (const [from, less] of chosen.shares.entries()) {
      for (const [to, more] of chosen.shares.entries()) {
        for (const step of shareSteps) {
          if (from === to || less < step || more + step > shareMax) continue;
          const shares = chosen.shares.with(from, less - step).with(to, more + step);
          const measured = { shares, ...measure(shares) };
          if (measured.cost <= Math.max(copiesMean, chosen.cost) && measured.worth > best.worth)
            best = measured;
        }
      }
    }
    if (best === chosen) break;
    chosen = best;
  }
  return chosen;
}

/** Scores at which rows end and what they cost, under given bounds. */
export function endScores(
  scores: readonly Float64Array[],
  bounds: readonly Doubt[],
): { ends: Float64Array; stages: Uint8Array } {
  const rows = scores[0].length;
  const ends = new Float64Array(rows);
  const stages = new Uint8Array(rows);
  for (let row = 0; row < rows; row++) {
    let stage = 0;
    while (stage < bounds.length) {
      const score = scores[stage][row];
      if (score <= bounds[stage].lower || score >= bounds[stage].upper) break;
      stage++;
    }
    ends[row] = scores[stage][row];
    stages[row] = stage;
  }
  return { ends, stages };
}

function thinOut(source: StageScores): StageScores {
  const stride = Math.ceil(source.scores[0].length / rowsMax);
  return { ...source, scores: source.scores.map((scores) => scores.filter((_, row) => row % stride === 0)) };
}

function measureBounds(
  sources: readonly StageScores[],
  bounds: readonly Doubt[],
  copies: readonly number[],
): { areas: number[]; cost: number } {
  const ended = sources.map((source) => ({ source, ...endScores(source.scores, bounds) }));
  const cleanEnds = ended
    .filter(({ source }) => !source.adversarial && !source.isCostOnly)
    .flatMap(({ ends }) => [...ends]);
  const areas = ended.filter(({ source }) => source.adversarial).map(({ ends }) => auroc(ends, cleanEnds));
  const plain = ended.filter(({ source }) => source.isPlain).flatMap(({ stages }) => [...stages]);
  return {
    areas,
    cost: plain.reduce((sum, stage) => sum + copies[stage], 0) / plain.length,
  };
}

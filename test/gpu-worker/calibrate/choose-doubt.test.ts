// The bounds of doubt: they save what they must, where it costs least, and end rows as the edge does.
import { describe, expect, it } from 'vitest';
import { chooseDoubt, endScores, type StageScores } from '../../../gpu-worker/calibrate/choose-doubt.ts';
import { normal, seededRandom } from '../../../shared/maths/random.ts';

const copies = [0, 1, 5];
const options = { copies, copiesMean: 2, upperRate: 0.005 };

/** The first stage tells nothing, the second most, the third all: a shift of the mean by `gains`. */
function source(adversarial: boolean, seed: number, gains = [0, 3, 4]): StageScores {
  const random = seededRandom(seed);
  const scores = gains.map((gain) =>
    Float64Array.from({ length: 400 }, () => normal(random) + (adversarial ? gain : 0)),
  );
  return { adversarial, isPlain: !adversarial, scores };
}
const meanCost = (scores: readonly Float64Array[], doubts: ReturnType<typeof chooseDoubt>) => {
  const { stages } = endScores(scores, doubts);
  return stages.reduce((sum, stage) => sum + copies[stage], 0) / stages.length;
};

describe('chooseDoubt', () => {
  const sources = [source(false, 1), source(true, 2), source(true, 3)];

  it('keeps clean rows within the budget, and ends them where a stage tells something', () => {
    const doubts = chooseDoubt(sources, options);
    expect(doubts.length).toBe(2);
    expect(meanCost(sources[0].scores, doubts)).toBeLessThanOrEqual(2);
    expect(doubts[0].lower).toBe(Number.NEGATIVE_INFINITY);
    expect(doubts[1].lower).toBeGreaterThan(Number.NEGATIVE_INFINITY);
  });

  it('ends no row as clean where the budget allows every copy', () => {
    const doubts = chooseDoubt(sources, { ...options, copiesMean: 5 });
    expect(doubts.map(({ lower }) => lower)).toEqual([Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]);
  });

  it('does what it can where the budget is out of reach', () => {
    const doubts = chooseDoubt(sources, { ...options, copiesMean: 0 });
    expect(meanCost(sources[0].scores, doubts)).toBeLessThan(1);
  });

  it('needs both sides, and passes over a source without rows', () => {
    expect(() => chooseDoubt([source(false, 1)], options)).toThrow();
    expect(() => chooseDoubt([source(true, 1)], options)).toThrow();
    const nothing = { adversarial: true, isPlain: false, scores: copies.map(() => new Float64Array(0)) };
    expect(chooseDoubt([...sources, nothing], options)).toEqual(chooseDoubt(sources, options));
  });
});

describe('endScores', () => {
  it('ends a row on a bound and goes on strictly between them', () => {
    const scores = [Float64Array.of(0, 1, 0.5, 2), Float64Array.of(9, 9, 7, 9)];
    const { ends, stages } = endScores(scores, [{ lower: 0, upper: 1 }]);
    expect([...ends]).toEqual([0, 1, 7, 2]);
    expect([...stages]).toEqual([0, 0, 1, 0]);
  });
});

import { describe, expect, it } from 'vitest';
import type { RowVectors } from '../../../gpu-worker/calibrate/extract-rows.ts';
import { fitDetector, type PoolVectors, scoreVectors } from '../../../gpu-worker/calibrate/fit-detector.ts';
import { fitHead } from '../../../gpu-worker/calibrate/fit-head.ts';
import type { TrainingSource } from '../../../gpu-worker/calibrate/training-recipes.ts';
import { headScore, mlpParameters, vectorLength } from '../../../shared/detector/mlp.ts';
import { detectorParametersMax } from '../../../shared/limits.ts';
import { auroc } from '../../../shared/maths/auroc.ts';
import { normal, seededRandom } from '../../../shared/maths/random.ts';

const own = 2;
const recipe = {
  attacks: ['pgd-fixed'] as const,
  training: { steps: 150, batch: 64, learningRate: 5e-3, weightDecay: 0.1 },
};
const clean: TrainingSource = { kind: 'clean', share: 1 };
const attack = (name: 'fgsm' | 'pgd-fixed'): TrainingSource => ({ kind: 'attack', attack: name, share: 1 });

/** Vectors of two entries and units of size 1 whose changes are noise; those of the first unit are as large as `signal`. */
function rows(
  count: number,
  { units, signal, seed }: { units: number; signal: number; seed: number },
): RowVectors {
  const random = seededRandom(seed);
  const length = own + 3 * units;
  const vectors = new Float64Array(count * length);
  for (let row = 0; row < count; row++) {
    const at = row * length;
    for (let entry = 0; entry < own; entry++) vectors[at + entry] = normal(random);
    for (let unit = 0; unit < units; unit++) {
      vectors[at + own + unit] = Math.exp(normal(random)) * (unit === 0 ? signal : 1);
      vectors[at + own + units + unit] = 0.1 * normal(random);
      vectors[at + own + 2 * units + unit] = 1;
    }
  }
  return { count, length, vectors, units };
}

function pools(units: number, count = 120): PoolVectors[] {
  return [
    {
      adversarial: false,
      mass: 1,
      parts: [rows(count, { units, signal: 1, seed: 1 })],
      sources: [clean],
    },
    {
      adversarial: true,
      mass: 1,
      parts: [rows(count, { units, signal: 1, seed: 2 }), rows(count, { units, signal: 20, seed: 3 })],
      sources: [attack('fgsm'), attack('pgd-fixed')],
    },
  ];
}

const unitsOfRow = ({ vectors, length }: RowVectors, row: number) =>
  vectors.subarray(row * length + own, (row + 1) * length);

describe('a head on neurons', () => {
  it('is fitted to clean inputs against the attacks of its recipe, and knows the sizes of the units', () => {
    const { head } = fitHead(pools(4), { recipe, entriesMax: 100, seed: 1 });
    expect([...head.unitMeans]).toEqual([1, 1, 1, 1]);
    expect(head.entries).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    const weights = [...head.layer.weights];
    expect(Math.max(...weights.map(Math.abs))).toBe(weights[0]);
    const score = (part: RowVectors) =>
      Float64Array.from({ length: part.count }, (_, row) => headScore(head, unitsOfRow(part, row)));
    const fresh = { units: 4, seed: 9 };
    // A signal of e^3 against noise of deviation 1: normal deviates 3 / sqrt(2) apart.
    expect(
      auroc(score(rows(300, { ...fresh, signal: 20 })), score(rows(300, { ...fresh, signal: 1, seed: 10 }))),
    ).toBeGreaterThan(0.95);
  });

  it('scores its own rows as it scores rows that it has never seen', () => {
    // More units than it can tell from so few rows: by heart it knows them all.
    const made = pools(120, 100);
    const { head, scores } = fitHead(made, {
      recipe: { ...recipe, attacks: ['fgsm'] },
      entriesMax: 1000,
      seed: 1,
    });
    const [[cleanScores], [fgsmScores]] = scores;
    expect(auroc(fgsmScores, cleanScores)).toBeLessThan(0.65);
    const byHeart = (part: RowVectors) =>
      Float64Array.from({ length: part.count }, (_, row) => headScore(head, unitsOfRow(part, row)));
    expect(auroc(byHeart(made[1].parts[0]), byHeart(made[0].parts[0]))).toBeGreaterThan(0.95);
  });

  it('takes all adversarial inputs where none is of its attacks, as of foreign examples', () => {
    const [cleanPool, attacked] = pools(4);
    const { sources: _sources, ...foreign } = attacked;
    for (const pool of [foreign, { ...attacked, sources: [attack('fgsm'), attack('fgsm')] }]) {
      const { head } = fitHead([cleanPool, pool], { recipe, entriesMax: 100, seed: 1 });
      expect(head.layer.weights[0]).toBeGreaterThan(0);
    }
  });

  it('keeps the entries of the largest weights where it may not have all', () => {
    const { head } = fitHead(pools(4), { recipe, entriesMax: 3, seed: 1 });
    expect(head.entries).toHaveLength(3);
    expect(head.entries).toContain(0);
    expect(head.entries).toEqual(head.entries.toSorted((left, right) => left - right));
  });

  it('is refused without clean inputs or without units', () => {
    const [cleanPool, attacked] = pools(4);
    const options = { recipe, entriesMax: 100, seed: 1 };
    expect(() => fitHead([attacked], options)).toThrow(/clean inputs/);
    const bare = { ...cleanPool, parts: [{ ...cleanPool.parts[0], units: 0 }] };
    expect(() => fitHead([bare, attacked], options)).toThrow(/units/);
  });
});

describe('a detector with a head', () => {
  it('stays within the parameters, reads whole vectors and gives the same for the same seed', () => {
    const made = pools(400, 40);
    const whole = { hidden: [34, 13] as [number, number], training: { steps: 50 }, head: recipe };
    const mlp = fitDetector(made, whole, 1);
    expect(vectorLength(mlp)).toBe(own + 1200);
    // 3-34-13-2 has 619 parameters, and the head one more than its entries: all 800 would be too many by none.
    expect(mlpParameters(mlp)).toBeLessThanOrEqual(detectorParametersMax);
    const narrow = fitDetector(pools(700, 40), whole, 1);
    expect(mlpParameters(narrow)).toBe(detectorParametersMax);
    expect(scoreVectors(fitDetector(made, whole, 1), made[0].parts[0])).toEqual(
      scoreVectors(mlp, made[0].parts[0]),
    );
  }, 180_000);
});

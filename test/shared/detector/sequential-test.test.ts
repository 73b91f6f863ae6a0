// The sequential test where everything is known: what each stage reads, where the test ends, and which artefacts are refused.
import { describe, expect, it } from 'vitest';
import { extractionPlanSchema } from '../../../shared/contracts/extraction.ts';
import { mlpScore } from '../../../shared/detector/mlp.ts';
import {
  isInDoubt,
  loadSequentialTest,
  sequentialScore,
  stagePlan,
  stageVector,
  stageVectorLength,
} from '../../../shared/detector/sequential-test.ts';
import { planVector } from '../../../shared/maths/plan-vector.ts';
import { seededRandom } from '../../../shared/maths/random.ts';
import { transformPresets } from '../../../shared/noise/transform-presets.ts';
import { sequentialFixture } from '../../helpers/sequential-fixture.ts';

const classes = 10;
const neurons = 3;
const plan = extractionPlanSchema.parse({
  input_range: [0, 1],
  noise: [{ family: 'gaussian', epsilon: 0.1, rows: 16, copies: 2 }],
  transforms: transformPresets['w0-grey'],
  taps: [{ kind: 'activations', tensor: 'fc2', neurons }],
});
const threshold = {
  value: 0,
  target_fpr: 0.05,
  fpr_ci95: [0, 0.1] as [number, number],
  calibration_samples: 100,
};
const model = {
  name: 'm',
  digest: `sha256:${'0'.repeat(64)}`,
  input_name: 'x',
  input_shape: [1, 8, 8],
  output_name: 'logits',
  classes,
};
const design = 'margin-changes+rank-gaps' as const;
const vector = { design } as const;
const runs = [[0], [5], [1, 2, 3, 4, 6, 7]];
const open = { lower: null, upper: null };

function fixture(doubts = [open, open], order: readonly (readonly number[])[] = runs) {
  return sequentialFixture(
    { plan, model, vector, threshold },
    { runs: order, doubts, threshold: 0, neurons },
  );
}

function evidence(seed: number) {
  const random = seededRandom(seed);
  return {
    logits: Float32Array.from({ length: 8 * classes }, () => 4 * random()),
    activations: Float32Array.from({ length: neurons }, () => random()),
  };
}

describe('stageVector', () => {
  const of = {
    plan,
    classes,
    design,
    known: loadSequentialTest({ plan, model, vector }, fixture()).known,
  };

  it('of the first stage is the margin, the projection and two distances', () => {
    const known = evidence(1);
    const [margin, projection, own, other] = stageVector(of, known, [0]);
    const sorted = [...known.logits.subarray(0, classes)].sort((left, right) => right - left);
    expect(margin).toBeCloseTo(Math.log(sorted[0] - sorted[1] + 0.01), 6);
    // The direction of the fixture is 1/3, -1/3, 1/3.
    const [first, second, third] = known.activations;
    expect(projection).toBeCloseTo((first - second + third) / 3, 6);
    expect(Number.isFinite(own) && Number.isFinite(other)).toBe(true);
    expect(stageVectorLength(of, [0])).toBe(4);
  });

  it('with every copy is the vector of the full test, and the projection', () => {
    const known = evidence(2);
    const seen = [0, 1, 2, 3, 4, 5, 6, 7];
    const vector = stageVector(of, known, seen);
    expect([...vector]).toEqual([
      ...planVector({ logits: known.logits, plan, classes }, design),
      stageVector(of, known, [0])[1],
    ]);
    expect(stageVectorLength(of, seen)).toBe(vector.length);
  });

  it('with some of the copies is the vector of those alone, margin and projection', () => {
    const known = evidence(2);
    // The fifth copy is the third transform.
    const part = { noise: [], transforms: [plan.transforms[2]] };
    const logits = Float32Array.of(
      ...known.logits.subarray(0, classes),
      ...known.logits.subarray(5 * classes, 6 * classes),
    );
    const vector = stageVector(of, known, [0, 5]);
    expect([...vector.subarray(0, 3)]).toEqual([
      ...planVector({ logits, plan: part, classes }, 'margin-changes'),
    ]);
    expect([...vector.subarray(3)]).toEqual([...stageVector(of, known, [0]).subarray(0, 2)]);
    expect(stageVectorLength(of, [0, 5])).toBe(5);
  });

  it('reads nothing of a copy that was not run', () => {
    const known = evidence(3);
    const before = stageVector(of, known, [0, 5]);
    for (const run of [1, 2, 3, 4, 6, 7]) {
      known.logits.fill(Number.NaN, run * classes, (run + 1) * classes);
    }
    expect([...stageVector(of, known, [0, 5])]).toEqual([...before]);
  });

  it('is finite where the two highest logits tie and an activation lies on its mean', () => {
    const logits = new Float32Array(8 * classes).fill(1);
    const activations = of.known.gaussian.means.slice(0, neurons);
    for (const seen of [[0], [0, 5], [0, 1, 2]]) {
      expect([...stageVector(of, { logits, activations }, seen)].every(Number.isFinite)).toBe(true);
    }
  });
});

describe('sequentialScore', () => {
  it('ends at the first stage whose score leaves no doubt, with that score', () => {
    const known = evidence(4);
    const test = loadSequentialTest({ plan, model, vector }, fixture());
    const scores = test.stages.map(({ mlp, seen }) =>
      mlpScore(mlp, stageVector({ plan, classes, design, known: test.known }, known, seen)),
    );
    const ended = (doubts: (typeof open | { lower: number | null; upper: number | null })[]) =>
      sequentialScore(
        loadSequentialTest({ plan, model, vector }, fixture(doubts as never)),
        { plan, classes, design },
        known,
      );
    expect(ended([open, open])).toEqual({ score: scores[2], stage: 2 });
    expect(ended([{ lower: scores[0], upper: null }, open])).toEqual({ score: scores[0], stage: 0 });
    expect(ended([open, { lower: null, upper: scores[1] }])).toEqual({ score: scores[1], stage: 1 });
  });
});

describe('isInDoubt', () => {
  it('is true strictly between the bounds, and never for the last stage or a score that is no number', () => {
    const doubt = { lower: -1, upper: 2 };
    expect([-1, -0.5, 1.9, 2].map((score) => isInDoubt({ doubt }, score))).toEqual([
      false,
      true,
      true,
      false,
    ]);
    expect(isInDoubt({ doubt: undefined }, 0)).toBe(false);
    expect(isInDoubt({ doubt }, Number.NaN)).toBe(false);
  });
});

describe('loadSequentialTest', () => {
  const load = (test: ReturnType<typeof fixture>, of = plan) =>
    loadSequentialTest({ plan: of, model, vector }, test);

  it('refuses stages that run a copy twice, leave one out, or do not begin with the input', () => {
    const orders = [
      [[0], [5], [5, 1, 2, 3, 4, 6, 7]],
      [[0], [5]],
      [[5], [0, 1, 2, 3, 4, 6, 7]],
    ];
    for (const order of orders) {
      expect(() =>
        load({
          ...fixture(),
          stages: order.map((own, index) => ({ ...fixture().stages[index], runs: own })),
        }),
      ).toThrow(/sequential:|layer/);
    }
  });

  it('refuses a last stage that leaves doubt, and an earlier one that leaves none', () => {
    const test = fixture();
    const doubting = test.stages.map((stage) => ({ ...stage, doubt: { ...open } }));
    expect(() => load({ ...test, stages: doubting })).toThrow(/every stage but the last leaves doubt/);
    const certain = test.stages.map((stage) => ({ ...stage, doubt: undefined }));
    expect(() => load({ ...test, stages: certain })).toThrow(/every stage but the last leaves doubt/);
  });

  it('refuses a plan that taps anything but the activations', () => {
    const layer = { kind: 'layer' as const, tensor: 'conv1' };
    expect(() => load(fixture(), { ...plan, taps: [] })).toThrow(/the only tap/);
    expect(() => load(fixture(), { ...plan, taps: [...plan.taps, layer] })).toThrow(/the only tap/);
  });
});

describe('stagePlan', () => {
  it('is a part that the contract takes, with the tap where the input itself is run', () => {
    for (const own of runs) {
      const part = stagePlan(plan, own);
      expect(extractionPlanSchema.parse(part)).toEqual(part);
      expect(part.taps.length).toBe(own.includes(0) ? 1 : 0);
    }
  });
});

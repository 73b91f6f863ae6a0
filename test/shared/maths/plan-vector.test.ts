import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  designReads,
  detectorArtefactSchema,
  vectorDesigns,
} from '../../../shared/contracts/detector-artefact.ts';
import type { CopiesPlan, Tap } from '../../../shared/contracts/extraction.ts';
import { mlpOfArtefact, mlpScore } from '../../../shared/detector/mlp.ts';
import { marginChanges } from '../../../shared/maths/margin-changes.ts';
import { nccrVector } from '../../../shared/maths/nccr-vector.ts';
import { planVector, planVectorLength } from '../../../shared/maths/plan-vector.ts';
import { transformPresets } from '../../../shared/noise/transform-presets.ts';

const noise: CopiesPlan = {
  noise: [{ family: 'gaussian', epsilon: 0.3, rows: 4, copies: 2 }],
  transforms: [],
};
const transforms: CopiesPlan = {
  noise: [],
  transforms: [{ family: 'mirror' }, { family: 'median', size: 3 }, { family: 'bit-depth', bits: 3 }],
};
const both: CopiesPlan = { ...noise, transforms: transforms.transforms };
const taps: Tap[] = [
  { kind: 'layer', tensor: 'a' },
  { kind: 'units', tensor: 'a', transform: 0, units: 2 },
];
const changes = Float32Array.of(9, 9, 0.5, 0.25, -0.5, 0.125, 1, 2);
const classes = 4;
const rowOf = (seed: number) => Array.from({ length: classes }, (_, index) => Math.sin(7 * seed + 3 * index));
const [input, ...copies] = Array.from({ length: 6 }, (_, seed) => rowOf(seed));
const logitsOf = (rows: number[][]) => Float32Array.from(rows.flat());

describe('the vector of a plan', () => {
  const ofNoise = { values: logitsOf([input, ...copies.slice(0, 2)]), copies: 2, classes };
  const ofTransforms = { values: logitsOf([input, ...copies.slice(2)]), copies: 3, classes };

  it('reads the copies that its design is made for', () => {
    const logits = logitsOf([input, ...copies]);
    const rankGaps = nccrVector(ofNoise, 'rank-gaps');
    const changes = marginChanges(ofTransforms);
    expect(planVector({ logits, plan: both, classes }, 'rank-gaps')).toEqual(rankGaps);
    expect(planVector({ logits, plan: both, classes }, 'strict')).toEqual(nccrVector(ofNoise, 'strict'));
    expect(planVector({ logits, plan: both, classes }, 'margin-changes')).toEqual(changes);
    expect([...planVector({ logits, plan: both, classes }, 'margin-changes+rank-gaps')]).toEqual([
      ...changes,
      ...rankGaps,
    ]);
  });

  it('on neurons ends with the changes, drifts and sizes of the units', () => {
    const logits = logitsOf([input, ...copies]);
    const plan = { ...both, taps };
    expect([...planVector({ logits, changes, plan, classes }, 'margin-changes+neurons')]).toEqual([
      ...marginChanges(ofTransforms),
      ...changes.subarray(2),
    ]);
    // A design without neurons leaves them.
    expect(planVector({ logits, changes, plan, classes }, 'margin-changes')).toEqual(
      marginChanges(ofTransforms),
    );
    expect(() => planVector({ logits, plan, classes }, 'margin-changes+neurons')).toThrow(/given changes/);
    const short = changes.subarray(1);
    expect(() => planVector({ logits, changes: short, plan, classes }, 'margin-changes+neurons')).toThrow(
      /changes has 7 elements/,
    );
  });

  it('of noise alone, and of transforms alone, is the same', () => {
    const alone = { logits: ofNoise.values, plan: noise, classes };
    expect(planVector(alone, 'rank-gaps')).toEqual(nccrVector(ofNoise, 'rank-gaps'));
    const transformed = { logits: ofTransforms.values, plan: transforms, classes };
    expect(planVector(transformed, 'margin-changes')).toEqual(marginChanges(ofTransforms));
  });

  it('has the length that is foretold', () => {
    const logits = logitsOf([input, ...copies]);
    // Its taps stand alone in a plan: layer-levels.test.ts.
    const designs = vectorDesigns.filter((design) => !designReads[design].levels);
    for (const design of designs) {
      const plan = { ...both, taps };
      const length = planVectorLength(design, { classes, plan });
      expect(planVector({ logits, changes, plan, classes }, design)).toHaveLength(length);
    }
    const plan = { ...noise, transforms: [...transformPresets['w0-colour']], taps };
    // Algorithms: 18 for six families; with A 27; A alone 9 and B 19 for ten classes; three numbers a unit.
    expect(designs.map((design) => planVectorLength(design, { classes: 10, plan }))).toEqual([
      9, 19, 18, 27, 24,
    ]);
  });

  it.each([
    ['rank-gaps', transforms, /needs copies with noise/],
    ['strict', transforms, /needs copies with noise/],
    ['margin-changes', noise, /needs transforms/],
    ['margin-changes+rank-gaps', noise, /needs transforms/],
    ['margin-changes+rank-gaps', transforms, /needs copies with noise/],
    ['margin-changes+neurons', noise, /needs transforms/],
    ['margin-changes+neurons', transforms, /needs taps of units/],
  ] as const)('of design %s is refused where the plan does not have its copies', (design, plan, message) => {
    const refusal = { code: 'invalid_artefact', message: expect.stringMatching(message) };
    const logits = logitsOf([input, ...copies]);
    expect(() => planVectorLength(design, { classes, plan })).toThrow(expect.objectContaining(refusal));
    expect(() => planVector({ logits, plan, classes }, design)).toThrow(expect.objectContaining(refusal));
  });

  it('is refused for logits of another plan', () => {
    const logits = logitsOf([input, ...copies]);
    expect(() => planVector({ logits, plan: noise, classes }, 'rank-gaps')).toThrow(/24 elements/);
  });
});

describe('stored artefacts', () => {
  const file = new URL('../../../gpu-worker/demo/assets/mnist-lenet5.detector.json', import.meta.url);
  const stored = JSON.parse(readFileSync(file, 'utf8'));

  it('of a plan from before there were transforms parse as a plan without them', () => {
    const { transforms: _transforms, ...plan } = stored.plan;
    const artefact = detectorArtefactSchema.parse({ ...stored, plan });
    expect(artefact.plan).toMatchObject({ transforms: [] });
    expect(artefact.plan.transforms_key_id).toBeUndefined();
  });

  it('have vectors of the length that their plan gives, and reproduce their own scores', () => {
    const { vector, model, plan, self_check: check, ...artefact } = detectorArtefactSchema.parse(stored);
    expect(planVectorLength(vector.design, { classes: model.classes, plan })).toBe(vector.length);
    const mlp = mlpOfArtefact({ ...artefact, vector });
    for (const [index, entries] of check.vectors.entries()) {
      expect(mlpScore(mlp, entries)).toBeCloseTo(check.scores[index], 9);
    }
  });
});

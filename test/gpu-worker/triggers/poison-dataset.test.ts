import { describe, expect, it } from 'vitest';
import { type Dataset, datasetRow } from '../../../gpu-worker/datasets/dataset.ts';
import { poisonDataset } from '../../../gpu-worker/triggers/poison-dataset.ts';
import type { PoisonRecipe } from '../../../shared/contracts/poison-recipe.ts';
import { seededRandom } from '../../../shared/maths/random.ts';

const range = [0, 1] as const;
const random = seededRandom(8);
/** 60 images of 6 x 6 pixels: 30 of class 0, 20 of class 1, 10 of class 2. */
const clean: Dataset = {
  name: 'clean',
  inputs: Float32Array.from({ length: 60 * 108 }, () => 0.1 + 0.6 * random()),
  inputShape: [3, 6, 6],
  labels: Int32Array.from({ length: 60 }, (_, row) => [0, 1, 0, 1, 0, 2][row % 6]),
};
const planting = { target: 2, rate: 0.2, seed: 5, clean_label: false };
const badnets = {
  trigger: 'badnets',
  parameters: { size: 2, shape: 'square', corner: 'bottom-right', margin: 0, level: 1 },
  ...planting,
} as const satisfies PoisonRecipe;
const refool = {
  trigger: 'refool',
  parameters: {
    reflections: 5,
    ratio: [0.2, 0.5],
    ghost_share: 0.5,
    ghost_offset: [1, 2],
    ghost_weight: [0.15, 0.85],
    blur_sigma: [0.5, 1],
  },
  ...planting,
} as const satisfies PoisonRecipe;
const recipes: readonly PoisonRecipe[] = [
  badnets,
  { trigger: 'blended', parameters: { ratio: 0.2 }, ...planting },
  { trigger: 'sig', parameters: { amplitude: 0.1, frequency: 2 }, ...planting },
  refool,
];

const poison = (recipe: PoisonRecipe, dataset = clean) => poisonDataset(dataset, recipe, { range });

describe.each(recipes)('a data set poisoned by $trigger', (recipe) => {
  it('has the trigger and the target label in as many images of other classes as the rate says', () => {
    const { dataset, rows } = poison(recipe);
    expect(rows).toHaveLength(12);
    expect([...rows]).toEqual([...new Set(rows)].sort((left, right) => left - right));
    for (const [row, label] of clean.labels.entries()) {
      const planted = rows.includes(row);
      if (planted) expect(label).not.toBe(2);
      expect(dataset.labels[row]).toBe(planted ? 2 : label);
      const same = datasetRow(dataset, row).every((value, index) => value === datasetRow(clean, row)[index]);
      expect(same).toBe(!planted);
    }
  });

  it('with clean labels has it in images of the target class, and every label as it was', () => {
    const { dataset, rows } = poison({ ...recipe, clean_label: true, rate: 0.6 });
    expect(rows).toHaveLength(6);
    expect([...rows].every((row) => clean.labels[row] === 2)).toBe(true);
    expect(dataset.labels).toEqual(clean.labels);
  });

  it('is the same for the same seed, another for another, and leaves the clean one alone', () => {
    const before = clean.inputs.slice();
    const [first, second, other] = [poison(recipe), poison(recipe), poison({ ...recipe, seed: 6 })];
    expect(first.dataset).toEqual(second.dataset);
    expect(first.rows).toEqual(second.rows);
    expect(first.rows).not.toEqual(other.rows);
    expect(clean.inputs).toEqual(before);
  });

  it('keeps every value in the range', () => {
    const { inputs } = poison(recipe).dataset;
    expect(inputs.every((value) => value >= 0 && value <= 1)).toBe(true);
  });

  it('gives its trigger to other images, each time the same', () => {
    const poisoned = poison(recipe);
    const images = { inputs: clean.inputs.subarray(0, 3 * 108), inputShape: clean.inputShape };
    const planted = poisoned.trigger(images);
    expect(planted).toHaveLength(3 * 108);
    expect(planted).not.toEqual(images.inputs);
    expect(poisoned.trigger(images)).toEqual(planted);
    expect(poisoned.trigger({ ...images, inputs: new Float32Array() })).toHaveLength(0);
  });
});

describe('the trigger of a poisoned data set', () => {
  it.each(recipes.slice(0, 3))('$trigger is the one that was planted', (recipe) => {
    const { dataset, rows, trigger } = poison(recipe);
    const planted = trigger(clean);
    for (const row of rows) {
      expect(planted.subarray(108 * row, 108 * row + 108)).toEqual(datasetRow(dataset, row));
    }
  });

  it('refuses images of another shape or range', () => {
    const { trigger } = poison(badnets);
    expect(() => trigger({ inputs: new Float32Array(75), inputShape: [3, 5, 5] })).toThrow(/\[3, 5, 5\]/);
    const inputs = new Float32Array(108).fill(Number.NaN);
    expect(() => trigger({ inputs, inputShape: [3, 6, 6] })).toThrow(/value NaN, outside the range/);
  });
});

describe('what cannot be poisoned', () => {
  const cases: [string, Partial<PoisonRecipe>, Partial<Dataset>, RegExp][] = [
    [
      'a target that is no class',
      { target: 3 },
      {},
      /no image of the target class 3; its classes go up to 2/,
    ],
    [
      'a rate that comes to no image',
      { rate: 0.005 },
      {},
      /0\.005 of the 60 images of clean is not one image/,
    ],
    [
      'a rate that comes to no image of the class',
      { rate: 0.04, clean_label: true },
      {},
      /10 images of class 2 of clean is not one/,
    ],
    [
      'a rate above what the other classes hold',
      { rate: 0.9 },
      {},
      /is 54 images, classes other than 2 have 50/,
    ],
    ['a data set of one class', {}, { labels: new Int32Array(60).fill(2) }, /has 1 class; two are needed/],
    ['an empty data set', {}, { labels: new Int32Array(), inputs: new Float32Array() }, /has 0 class/],
    ['inputs that are no images', {}, { inputShape: [108] }, /shape \[108\] are no images/],
    [
      'images smaller than the patch',
      { parameters: { ...badnets.parameters, size: 7 } },
      {},
      /patch of 7 x 7 pixels.*6 x 6/,
    ],
    [
      'a value outside the range',
      {},
      { inputs: clean.inputs.map((value, index) => (index === 9 ? 1.5 : value)) },
      /clean has the value 1\.5, outside the range 0 to 1/,
    ],
  ];
  it.each(cases)('%s', (_, recipe, dataset, says) => {
    const bad = { ...badnets, ...recipe } as PoisonRecipe;
    expect(() => poison(bad, { ...clean, ...dataset })).toThrow(says);
  });

  it('by ReFool: a data set whose every other image is poisoned, so that none is left to reflect', () => {
    expect(() => poison({ ...refool, rate: 50 / 60 })).toThrow(/no image left that could be reflected/);
  });
});

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { poisonRecipeSchema, triggerNames } from '../../../shared/contracts/poison-recipe.ts';

const recipe = {
  trigger: 'blended',
  parameters: { ratio: 0.2 },
  target: 1,
  rate: 0.1,
  seed: 1,
  clean_label: false,
};
const folder = join(import.meta.dirname, '../../../gpu-worker/triggers/recipes');

describe('a poison recipe', () => {
  it.each(readdirSync(folder))('%s is one, and says what its name says', (file) => {
    const { trigger, target, rate, clean_label } = poisonRecipeSchema.parse(
      JSON.parse(readFileSync(join(folder, file), 'utf8')),
    );
    const label = clean_label ? '-clean-label' : '';
    expect(file).toMatch(`-${trigger}-t${target}-${Math.round(100 * rate)}${label}.json`);
  });

  it('names one of the triggers', () => {
    const options = poisonRecipeSchema.options.map(({ shape }) => shape.trigger.value);
    expect(options).toEqual(triggerNames);
  });

  it.each([
    ['an unknown trigger', { trigger: 'wanet' }],
    ['a rate of 0', { rate: 0 }],
    ['a rate above 1', { rate: 1.1 }],
    ['a rate that is no number', { rate: Number.NaN }],
    ['a negative target', { target: -1 }],
    ['a target that is not whole', { target: 1.5 }],
    ['parameters of another trigger', { parameters: { amplitude: 0.1, frequency: 6 } }],
    ['a ratio of 0, which plants nothing', { parameters: { ratio: 0 } }],
    ['a member that nothing reads', { note: 'x' }],
    ['no word on the labels', { clean_label: undefined }],
  ])('refuses %s', (_, change) => {
    expect(poisonRecipeSchema.safeParse(recipe).success).toBe(true);
    expect(poisonRecipeSchema.safeParse({ ...recipe, ...change }).success).toBe(false);
  });
});

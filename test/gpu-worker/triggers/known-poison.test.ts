// Our triggers beside poisoned sets that were made elsewhere, by another program.
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { inputsOfArray } from '../../../gpu-worker/datasets/image-array.ts';
import { readNpz } from '../../../gpu-worker/datasets/npz.ts';
import { stampPatch } from '../../../gpu-worker/triggers/badnets.ts';
import { blendPattern } from '../../../gpu-worker/triggers/blended.ts';
import { addSinusoid } from '../../../gpu-worker/triggers/sig.ts';
import { frameOf } from '../../../gpu-worker/triggers/trigger.ts';
import { poisonRecipeSchema } from '../../../shared/contracts/poison-recipe.ts';
import { elementCount, type Tensor } from '../../../shared/maths/tensor.ts';
import { sharedFolder } from '../../helpers/shared-folder.ts';

const rows = 40;
const size = 32 * 32 * 3;

/** The first rows of a known poison, before and after, as inputs in [0, 1]; and the pattern where it has one. */
async function knownPoison(name: string) {
  const read = async (path: string, arrays: string[]) =>
    readNpz(await readFile(`${sharedFolder}${path}`), { name: path, arrays });
  const { x } = await read('data/gtsrb/train.npz', ['x']);
  const known = await read(`models/poisoned/${name}.npz`, ['poison_idx', 'poison_x', 'pattern']);
  const before = new Uint8Array(rows * size);
  for (let index = 0; index < rows; index++) {
    const row = Number(known.poison_idx!.data[index]);
    before.set((x!.data as Uint8Array).subarray(row * size, (row + 1) * size), index * size);
  }
  const inputs = (data: Uint8Array) => {
    const shape = [data.length / size, 32, 32, 3];
    const array: Tensor = { datatype: 'UINT8', shape, data };
    return inputsOfArray(array, { name, layout: 'nhwc' }).inputs;
  };
  return {
    before: inputs(before),
    after: inputs((known.poison_x!.data as Uint8Array).slice(0, rows * size)),
    pattern: known.pattern && inputs(known.pattern.data as Uint8Array),
  };
}

async function recipeOf(name: string) {
  const path = new URL(`../../../gpu-worker/triggers/recipes/${name}.json`, import.meta.url);
  return poisonRecipeSchema.parse(JSON.parse(await readFile(path, 'utf8')));
}

const frame = frameOf([3, 32, 32], [0, 1]);

/** Largest difference in bytes after rounding. */
function difference(
  { before, after }: { before: Float32Array; after: Float32Array },
  plant: (image: Float32Array) => Float32Array,
): number {
  let largest = 0;
  for (let start = 0; start < before.length; start += elementCount([3, 32, 32])) {
    const planted = plant(before.subarray(start, start + size));
    for (const [index, value] of planted.entries()) {
      largest = Math.max(largest, Math.abs(Math.round(255 * value) - Math.round(255 * after[start + index])));
    }
  }
  return largest;
}

describe.skipIf(sharedFolder === undefined)(
  'beside known poison (needs ../shared/models/poisoned and ../shared/data/gtsrb)',
  () => {
    it('the BadNets recipe plants the same patch, byte for byte', async () => {
      const known = await knownPoison('gtsrb_badnets_t33_1');
      const recipe = await recipeOf('gtsrb-badnets-t33-1');
      if (recipe.trigger !== 'badnets') throw new Error('another trigger');
      expect(difference(known, (image) => stampPatch({ image, frame }, recipe.parameters))).toBe(0);
    });

    it('the SIG recipe adds the same wave, to the rounding', async () => {
      const known = await knownPoison('gtsrb_sig_t2_60cl');
      const recipe = await recipeOf('gtsrb-sig-t2-60-clean-label');
      if (recipe.trigger !== 'sig') throw new Error('another trigger');
      expect(difference(known, (image) => addSinusoid({ image, frame }, recipe.parameters))).toBeLessThan(2);
    });

    it('the Blended recipe blends the same pattern in as strongly, to the rounding', async () => {
      const known = await knownPoison('gtsrb_blended_t33_1');
      const recipe = await recipeOf('gtsrb-blended-t33-1');
      if (recipe.trigger !== 'blended') throw new Error('another trigger');
      const plant = (image: Float32Array) =>
        blendPattern({ image, frame }, known.pattern!, recipe.parameters);
      expect(difference(known, plant)).toBeLessThan(2);
    });
  },
);

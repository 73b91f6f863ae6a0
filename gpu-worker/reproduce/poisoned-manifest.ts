// The list of poisoned training sets for `dataset screen-table`, from the names of the files in a folder of models.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Rows of CIFAR-10's training images that the sets of the folder were made from. */
const cifarRows = [0, 15_999] as const;

/**
 * Lists the sets `DATA_TRIGGER_tTARGET_RATE[cl].npz` that have a model of the same name beside them.
 * @param folder with `data/` and `models/poisoned/`
 * @returns the content of sets.json, with absolute paths; without a set where the folder has none
 */
export async function poisonedManifest(folder: string): Promise<{ sets: object[] }> {
  const place = join(folder, 'models/poisoned');
  const files = await readdir(place).catch((): string[] => []);
  const names = files
    .filter((name) => name.endsWith('.npz') && files.includes(name.replace(/npz$/, 'onnx')))
    .map((name) => name.slice(0, -'.npz'.length))
    .sort();
  const sets = names.map((name) => {
    const [data, trigger] = name.split('_');
    const clean =
      data === 'gtsrb'
        ? { dataset: `npz:${join(folder, 'data/gtsrb/train.npz')}`, layout: 'nhwc' }
        : { dataset: `cifar10:${join(folder, 'data/cifar10')}`, rows: cifarRows };
    return {
      name,
      model: join(place, `${name}.onnx`),
      set: join(place, `${name}.npz`),
      layout: 'nhwc',
      clean,
      ...(trigger !== 'clean' && { trigger }),
      clean_label: name.endsWith('cl'),
    };
  });
  return { sets };
}

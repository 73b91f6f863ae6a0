// Several sets of adversarial examples in one npz file: arrays NAME with their true labels NAME_y.
import { readFile } from 'node:fs/promises';
import { GuardError } from '../../shared/errors.ts';
import type { Dataset } from './dataset.ts';
import { loadNpzDataset } from './foreign-examples.ts';
import { npzArrayNames } from './npz.ts';

/** One set of a file. */
export interface ExampleSet {
  readonly name: string;
  readonly dataset: Dataset;
}

/**
 * Loads every array that has labels; `clean` is left out, since it holds no examples.
 * @throws GuardError `invalid_dataset` where the file or an array cannot be read, or no array has labels
 */
export async function loadExampleSets(path: string): Promise<ExampleSet[]> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new GuardError('invalid_dataset', `${path} cannot be read`, { cause });
  });
  const names = npzArrayNames(bytes, path);
  const sets = names.filter((name) => name !== 'clean' && names.includes(`${name}_y`));
  if (sets.length === 0) throw new GuardError('invalid_dataset', `${path} has no arrays NAME and NAME_y`);
  return Promise.all(
    sets.map(async (name) => {
      const arrays = { inputs: name, labels: `${name}_y` };
      return { name: `given ${name}`, dataset: await loadNpzDataset(path, { layout: 'nchw', arrays }) };
    }),
  );
}

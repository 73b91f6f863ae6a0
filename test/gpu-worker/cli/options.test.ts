import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { addDatasetOptions, type DatasetOptions, datasetOfOptions } from '../../../gpu-worker/cli/options.ts';
import { sharedFolder } from '../../helpers/shared-folder.ts';

function parse(...words: string[]): DatasetOptions {
  const command = addDatasetOptions(new Command().exitOverride(), 'train').configureOutput({
    writeErr: () => {},
  });
  return command.parse(words, { from: 'user' }).opts<DatasetOptions>();
}

describe('the options that name a data set', () => {
  it('have a split, a layout and names of arrays by default', () => {
    expect(parse('--dataset', 'npz:f.npz')).toEqual({
      dataset: 'npz:f.npz',
      split: 'train',
      layout: 'nchw',
      inputsArray: 'x',
      labelsArray: 'y',
    });
  });

  it('refuse a layout, a split and a kind that there is not', async () => {
    expect(() => parse('--dataset', 'npz:f.npz', '--layout', 'hwc')).toThrow(/not one of nchw, nhwc/);
    await expect(datasetOfOptions({ dataset: 'cifar10:f', split: 'validation' })).rejects.toThrow(
      /splits train and test, not validation/,
    );
    for (const dataset of ['cifar10:', 'npz:', 'csv:f', 'npz', 'synthetic-digits:0']) {
      await expect(datasetOfOptions({ dataset, split: 'test' })).rejects.toThrow(
        /neither idx:FOLDER, cifar10:FOLDER, npz:FILE, wav:FOLDER nor synthetic-digits:COUNT/,
      );
    }
    await expect(datasetOfOptions({ dataset: 'npz:absent.npz', split: 'test' })).rejects.toThrow(
      /absent\.npz cannot be read/,
    );
  });

  it('take some rows of a source, which then has a name of its own', async () => {
    const named = (...words: string[]) =>
      datasetOfOptions(parse('--dataset', 'synthetic-digits:9', ...words));
    const [whole, part] = [await named(), await named('--rows', '2-4')];
    expect(part.labels).toEqual(whole.labels.slice(2, 5));
    expect(part.inputs).toEqual(whole.inputs.slice(2 * 784, 5 * 784));
    expect(part.name).toBe(`${whole.name} rows 2-4`);
    await expect(named('--rows', '5-9')).rejects.toThrow('10 images are asked for');
    expect(() => parse('--dataset', 'synthetic-digits:9', '--rows', '4-2')).toThrow(
      'not rows such as 0-1999',
    );
  });

  it.skipIf(sharedFolder === undefined)('lead to every kind of file (needs ../shared/data)', async () => {
    const gtsrb = parse('--dataset', `npz:${sharedFolder}data/gtsrb/test.npz`, '--layout', 'nhwc');
    expect((await datasetOfOptions(gtsrb)).inputShape).toEqual([3, 32, 32]);
    const cifar = await datasetOfOptions(
      parse('--dataset', `cifar10:${sharedFolder}data/cifar10`, '--split', 'test'),
    );
    expect([cifar.name, cifar.labels.length]).toEqual(['cifar10/test', 5000]);
  });
});

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { paperCells, paperDatasetOf, paperFigures } from '../../../gpu-worker/evaluate/paper-figures.ts';
import { sharedFolder } from '../../helpers/shared-folder.ts';

describe('the paper’s figures', () => {
  it('are for the data sets that a name speaks of', () => {
    expect(['cifar10/test', '../m/cifar10-resnet8.onnx', 'CIFAR-10'].map(paperDatasetOf)).toEqual(
      Array(3).fill('cifar10'),
    );
    expect(['mnist-lenet5.onnx', 'mnist/t10k', '/d/mnist'].map(paperDatasetOf)).toEqual(
      Array(3).fill('mnist'),
    );
    for (const other of ['cifar100', 'fashion-mnist', 'kmnist', 'mnist-c', 'gtsrb', '']) {
      expect(paperDatasetOf(other)).toBeUndefined();
    }
  });

  it('are found by attack and training set, where the paper has such a detector', () => {
    const mnist = { model: 'm.onnx', dataset: 'mnist/t10k' };
    // Table 3 and table 4, rows C&W.
    expect(paperCells(mnist, { attack: 'carlini-wagner', trainedOn: ['fgsm', 'pgd', 'jsma'] })).toEqual({
      'Table 3, LeNet-5': 0.9807,
      'Table 4, LeNet-4': 0.9935,
    });
    expect(paperCells(mnist, { attack: 'jsma', trainedOn: ['jsma'] })['Table 3, LeNet-5']).toBe(0.9537);
    expect(paperCells(mnist, { attack: 'jsma', trainedOn: ['deepfool'] })).toEqual({});
    expect(paperCells(mnist, { attack: 'square', trainedOn: ['fgsm'] })).toEqual({});
    expect(paperCells({ model: 'gtsrb.onnx' }, { attack: 'jsma', trainedOn: ['jsma'] })).toEqual({});
  });

  it.skipIf(sharedFolder === undefined)('are those of the transcript (needs ../shared/paper)', () => {
    const transcript = JSON.parse(readFileSync(`${sharedFolder}paper/tables.json`, 'utf8'));
    const attacks = { fgsm: 'FGSM', pgd: 'PGD', jsma: 'JSMA', 'carlini-wagner': 'C&W', deepfool: 'DeepFool' };
    const places = {
      mnist: [transcript.table3_auroc_env1.mnist_lenet5, transcript.table4_auroc_env2.mnist_lenet4],
      cifar10: [
        transcript.table3_auroc_env1.cifar10_googlenet,
        transcript.table4_auroc_env2.cifar10_wrn28_10,
      ],
    };
    for (const dataset of ['mnist', 'cifar10'] as const) {
      for (const [index, { rows }] of paperFigures[dataset].entries()) {
        const printed = Object.entries(attacks).map(([name, title]) => [name, places[dataset][index][title]]);
        expect(rows).toEqual(Object.fromEntries(printed));
      }
    }
  });
});

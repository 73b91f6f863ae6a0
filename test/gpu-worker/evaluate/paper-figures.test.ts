import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { paperDatasetOf, paperFigures } from '../../../gpu-worker/evaluate/paper-figures.ts';
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

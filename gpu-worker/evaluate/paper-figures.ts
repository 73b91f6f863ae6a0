// The paper's own detection figures for MNIST and CIFAR-10, to stand beside what is measured here.
import type { DetectionTable } from '../../shared/contracts/detection-table.ts';
import type { AttackName } from '../attacks/attack-by-name.ts';

/** One network of one of the paper's tables; AUROC of its detector by training set, then of the baselines that it names. */
export interface PaperTable {
  readonly table: 'Table 3' | 'Table 4';
  readonly network: string;
  readonly baselines: readonly [string, string];
  /** By attack: trained on FGSM, PGD, JSMA and all three (Combine), then the two baselines. */
  readonly rows: Readonly<Partial<Record<AttackName, PaperRow>>>;
}

/** AUROC trained on FGSM, on PGD, on JSMA, on Combine; then of the two baselines. */
export type PaperRow = readonly [number, number, number, number, number, number];

/** What the paper's detectors were trained on, in the order of a row. */
export const paperTrainingSets = ['FGSM', 'PGD', 'JSMA', 'Combine'] as const;

/** The attacks that the paper's Combine is trained on. */
export const matrixCombine = ['fgsm', 'pgd', 'jsma'] as const satisfies readonly AttackName[];

/** Data sets of the paper that are measured here too. */
export type PaperDataset = 'mnist' | 'cifar10';

/**
 * Figures copied from the paper.
 * @see NCCR (Pu Shi, 2025), section 5.1, tables 3 and 4
 */
export const paperFigures: Readonly<Record<PaperDataset, readonly PaperTable[]>> = {
  mnist: [
    {
      table: 'Table 3',
      network: 'LeNet-5',
      baselines: ['label change rate', 'A2D'],
      rows: {
        fgsm: [0.9943, 0.9949, 0.9229, 0.9935, 0.9617, 0.9883],
        pgd: [0.9926, 0.9973, 0.9131, 0.9926, 0.9531, 0.9783],
        jsma: [0.9217, 0.9171, 0.9537, 0.9164, 0.9941, 0.9984],
        'carlini-wagner': [0.995, 0.9932, 0.9558, 0.9807, 0.9576, 0.987],
        deepfool: [0.9983, 0.9964, 0.9672, 0.9851, 0.9817, 0.9971],
      },
    },
    {
      table: 'Table 4',
      network: 'LeNet-4',
      baselines: ['Dissector', 'A2D'],
      rows: {
        fgsm: [1, 1, 0.9981, 0.9999, 0.9993, 1],
        pgd: [0.9997, 1, 0.9979, 0.9998, 0.9992, 1],
        jsma: [0.9118, 0.9226, 0.9465, 0.9212, 0.9993, 0.9999],
        'carlini-wagner': [1, 1, 0.9878, 0.9935, 0.9996, 1],
        deepfool: [0.9982, 0.9976, 0.9751, 0.9924, 0.9892, 0.9877],
      },
    },
  ],
  cifar10: [
    {
      table: 'Table 3',
      network: 'GoogLeNet',
      baselines: ['label change rate', 'A2D'],
      rows: {
        fgsm: [0.9974, 0.9951, 0.9643, 0.9899, 0.8617, 0.8998],
        pgd: [0.9906, 0.9916, 0.9612, 0.9891, 0.8741, 0.9014],
        jsma: [0.8931, 0.9002, 0.9415, 0.9103, 0.9682, 0.989],
        'carlini-wagner': [0.9989, 0.9987, 0.9843, 0.9964, 0.9063, 0.9176],
        deepfool: [0.9971, 0.9883, 0.9801, 0.9904, 0.9614, 0.9902],
      },
    },
    {
      table: 'Table 4',
      network: 'WRN-28-10',
      baselines: ['Dissector', 'A2D'],
      rows: {
        fgsm: [0.9995, 0.9945, 0.9995, 0.9991, 0.9981, 0.9983],
        pgd: [0.9993, 0.9996, 0.9943, 0.9987, 0.9974, 0.9972],
        jsma: [0.9054, 0.9841, 0.9972, 0.9802, 0.9966, 0.9962],
        'carlini-wagner': [0.9526, 0.9975, 0.9948, 0.9899, 0.9968, 0.9985],
        deepfool: [0.9857, 0.9808, 0.9803, 0.9786, 0.9618, 0.9713],
      },
    },
  ],
};

/**
 * The paper's data set that a name of a data set or model speaks of, such as `cifar10/test` or `mnist-lenet5.onnx`.
 * @returns undefined for any other, Fashion-MNIST and CIFAR-100 among them
 */
export function paperDatasetOf(name: string): PaperDataset | undefined {
  if (/cifar[-_ ]?10(?!\d)/i.test(name)) return 'cifar10';
  return /(?<![a-z][-_ ]?)mnist(?![-_]?c\b)/i.test(name) ? 'mnist' : undefined;
}

/** What may be of a data set that the paper has too. */
export type PaperSubject = Pick<DetectionTable, 'dataset' | 'model'>;

/** The paper's tables of the same data set; none for another. */
export function paperTablesOf({ dataset, model }: PaperSubject): readonly PaperTable[] {
  const known = paperDatasetOf(dataset ?? '') ?? paperDatasetOf(model);
  return known === undefined ? [] : paperFigures[known];
}

/**
 * The paper's AUROC for one cell of the train-by-test matrix.
 * @returns by table and network, such as `Table 3, LeNet-5`; nothing where the paper has no such cell
 */
export function paperCells(
  of: PaperSubject,
  { attack, trainedOn }: { attack: string; trainedOn: readonly string[] },
): Record<string, number> {
  const all = trainedOn.join() === matrixCombine.join();
  const column = all ? matrixCombine.length : (matrixCombine as readonly string[]).indexOf(trainedOn.join());
  return Object.fromEntries(
    paperTablesOf(of).flatMap(({ table, network, rows }) => {
      const row = Object.entries(rows).find(([name]) => name === attack)?.[1];
      return row === undefined || column < 0 ? [] : [[`${table}, ${network}`, row[column]]];
    }),
  );
}

// The tables and figures of the paper in their order, each made of what the steps found.
import { readdir, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { z } from 'zod';
import { detectionTableSchema } from '../../shared/contracts/detection-table.ts';
import type { ReproducedTable } from '../../shared/contracts/reproduction.ts';
import { robustnessReportSchema } from '../../shared/contracts/robustness-report.ts';
import { screeningTableSchema } from '../../shared/contracts/screening-table.ts';
import type { PaperTable } from '../evaluate/paper-figures.ts';
import { compareDetection, detectionCosts } from './compare-detection.ts';
import { compareRobustness } from './compare-robustness.ts';
import { compareScreening, screeningCosts } from './compare-screening.ts';
import { paperAccuracies } from './paper-tables.ts';
import type { StepOutcome } from './run-steps.ts';

/** What the results of its steps make of a table. */
type Contents = Partial<Pick<ReproducedTable, 'grids' | 'findings' | 'costs' | 'figures'>>;

/** A table or figure of the paper. */
interface TableKind {
  readonly id: string;
  readonly title: string;
  readonly notes: readonly string[];
  readonly make: (read: ReadResult, figures: ReadFigures) => Promise<Contents>;
}

/** The figures of a step among those that are wanted, such as `figure-1.svg`; none where it has no result. */
type ReadFigures = (step: string, wanted: readonly string[]) => Promise<ReproducedTable['figures']>;

/** The result of a step; undefined where there is none. */
type ReadResult = <Schema extends z.ZodType>(
  step: string,
  schema: Schema,
) => Promise<z.output<Schema> | undefined>;

const detectionNotes = [
  'The paper’s networks, its attacks’ strengths and its images are not those of this page: figures stand beside each other, neither repeats the other.',
  'Every attack stops at its smallest success, where the plain margin of one forward pass does as well; strong examples of a fixed radius are in the page of the step.',
];

const kinds: readonly TableKind[] = [
  {
    id: 'table-1',
    title: 'Table 1 and Figure 2, MNIST: accuracy and NCCR of networks',
    notes: [
      'LeNet-5 here. No network of Madry’s is at hand. The NCCR of figure 2 is in the page of the step, as box plots; the findings are of its order.',
    ],
    make: (read) => robustness(read, 'mnist'),
  },
  {
    id: 'table-2',
    title: 'Table 2 and Figure 2, CIFAR-10: accuracy and NCCR of networks',
    notes: [
      'ResNet-8 of 175,426 parameters here, 78 % accurate; the adversarially trained one goes on from it for a few passes in the full run, and is left out of the quick one.',
    ],
    make: (read) => robustness(read, 'cifar10'),
  },
  {
    id: 'table-3',
    title: 'Table 3: detection, trained on one attack and tested on each',
    notes: detectionNotes,
    make: (read) => detection(read, 'Table 3'),
  },
  {
    id: 'table-4',
    title: 'Table 4: detection, the second environment',
    notes: [
      ...detectionNotes,
      'The networks are those of table 3: no LeNet-4, Wide ResNet or ImageNet is at hand.',
    ],
    make: (read) => detection(read, 'Table 4'),
  },
  {
    id: 'table-6',
    title: 'Table 6: backdoors found in training data',
    notes: [
      'Rates of poison and clean rows of the class are in the page of the step. Activation Clustering is the published one; its partition under our own rule does as well as NCCR there (“activations by our rule”).',
    ],
    make: async (read) => {
      const table = await read('screening', screeningTableSchema);
      return table === undefined ? {} : { grids: compareScreening(table), costs: screeningCosts(table) };
    },
  },
  {
    id: 'figures-1-and-3',
    title: 'Figures 1 and 3: activations and NCCR of clean and adversarial inputs',
    notes: ['LeNet-5 on MNIST. The box plots of figure 2 are in the pages of tables 1 and 2.'],
    make: async (_, figures) => ({
      figures: await figures('figures-mnist', ['figure-1.svg', 'figure-3.svg']),
    }),
  },
  {
    id: 'figures-4-and-5',
    title: 'Figures 4 and 5: NCCR of clean and poisoned images at 8 and 256 of 255',
    notes: [
      'GTSRB with a white square in the corner and the target class 33, as in the paper; its network of six convolutions where the paper has VGG11.',
    ],
    make: async (_, figures) => ({
      figures: await figures('figures-gtsrb', ['figure-4.svg', 'figure-5.svg']),
    }),
  },
];

/** Names of the tables and figures, as `--only` takes them. */
export const tableIds: readonly string[] = kinds.map(({ id }) => id);

/** Makes the tables that are wanted of the steps that were run. */
export async function reproducedTables(
  ids: readonly string[],
  outcomes: readonly StepOutcome[],
): Promise<ReproducedTable[]> {
  const read: ReadResult = async (step, schema) => {
    const file = outcomes.find((outcome) => outcome.step.name === step)?.file;
    return file === undefined ? undefined : schema.parse(JSON.parse(await readFile(file, 'utf8')));
  };
  const figures: ReadFigures = async (step, wanted) => {
    const folder = outcomes.find((outcome) => outcome.step.name === step)?.file;
    if (folder === undefined) return [];
    const names = (await readdir(folder)).filter((name) => wanted.includes(name)).sort();
    return names.map((name) => ({
      title: name.replace('figure-', 'Figure ').replace('.svg', ''),
      path: `steps/${basename(folder)}/${name}`,
    }));
  };
  return Promise.all(
    kinds
      .filter(({ id }) => ids.includes(id))
      .map(async ({ id, title, notes, make }) => {
        const steps = outcomes.filter(({ tables }) => tables.includes(id)).map(({ step }) => step);
        const contents = await make(read, figures);
        const empty = { grids: [], findings: [], costs: [], figures: [] };
        return { id, title, notes: [...notes], ...empty, ...contents, steps };
      }),
  );
}

async function robustness(read: ReadResult, dataset: keyof typeof paperAccuracies): Promise<Contents> {
  const report = await read(`robustness-${dataset}`, robustnessReportSchema);
  return report === undefined ? {} : compareRobustness(report, paperAccuracies[dataset]);
}

async function detection(read: ReadResult, which: PaperTable['table']): Promise<Contents> {
  const tables = await Promise.all(
    ['mnist', 'cifar10'].map((dataset) => read(`detection-${dataset}`, detectionTableSchema)),
  );
  const found = tables.filter((table) => table !== undefined);
  return {
    grids: found.flatMap((table) => compareDetection(table, which)),
    costs: found.flatMap(detectionCosts),
  };
}

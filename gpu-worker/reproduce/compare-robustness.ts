// Tables 1 and 2 and what figure 2 says: accuracies and NCCR of networks beside the paper's.
import type { ReproducedGrid, ReproducedTable } from '../../shared/contracts/reproduction.ts';
import type { RobustnessReport } from '../../shared/contracts/robustness-report.ts';
import { compareModels, comparisonText } from '../../shared/robustness-report/compare-models.ts';
import { type PaperAccuracies, paperNetworks } from './paper-tables.ts';

/** What the report of a data set says of the table. */
export function compareRobustness(
  report: RobustnessReport,
  paper: PaperAccuracies,
): Pick<ReproducedTable, 'grids' | 'findings'> {
  const { models, dataset, attack } = report;
  const ours = paperNetworks.map((network) => models.find(({ name }) => name === network)?.accuracy);
  const cells = (theirs: readonly number[], own: (index: number) => number | null | undefined) =>
    theirs.map((figure, index) => ({ paper: figure, ours: own(index) ?? null }));
  const attacked = attack === null ? '' : ` of ${attack.steps} steps, ${attack.images} images`;
  const grid: ReproducedGrid = {
    title: `Accuracy on ${dataset.images} images of ${dataset.name}`,
    unit: 'accuracy',
    columns: [...paperNetworks],
    rows: [
      { label: 'clean', cells: cells(paper.clean, (index) => ours[index]?.clean) },
      { label: `PGD${attacked}`, cells: cells(paper.pgd, (index) => ours[index]?.pgd) },
      {
        label: 'random noise',
        cells: cells(paper.randomNoise, (index) => ours[index]?.random_noise.mean),
      },
    ],
  };
  // The paper's order: a network that was trained on attacks changes less under noise.
  const findings = (['relative', 'l2'] as const).flatMap((unit) =>
    compareModels(models, unit).map((comparison) => ({
      holds: comparison.isSure && comparison.above === 'natural',
      sentence: comparisonText(comparison, unit),
    })),
  );
  return { grids: [grid], findings };
}

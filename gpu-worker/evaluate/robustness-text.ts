// A robustness report for a terminal.
import type { ModelRobustness, RobustnessReport } from '../../shared/contracts/robustness-report.ts';
import { percentText } from '../../shared/report/figure-text.ts';
import { compareModels, comparisonText, nccrText } from '../../shared/robustness-report/compare-models.ts';
import { aligned } from './text-columns.ts';

/** Writes it. */
export function robustnessText(report: RobustnessReport): string {
  const { dataset, noise, attack, models, earlier } = report;
  const attacked = attack === null ? 'no attack' : `PGD at ${attack.epsilon} on the first ${attack.images}`;
  const comparisons = (['relative', 'l2'] as const).flatMap((unit) =>
    compareModels(models, unit).map((comparison) => comparisonText(comparison, unit)),
  );
  const trend = earlier.map(({ created_at, name, relative, clean, pgd }) => [
    `  ${name}, ${created_at}`,
    nccrText(relative.mean),
    percentText(clean),
    pgd === null ? '–' : percentText(pgd),
  ]);
  return [
    `${dataset.images} images of ${dataset.name}; ${noise.sets} sets of noise of at most ${noise.epsilon}; ${attacked}`,
    aligned([
      [
        'model',
        'relative NCCR',
        '95 %',
        'median',
        'outliers',
        'raw l2 NCCR',
        '95 %',
        'clean',
        'PGD',
        'noise',
      ],
      ...models.map(modelLine),
    ]),
    ...comparisons,
    ...models.map(layerLine).filter((line) => line !== undefined),
    ...(trend.length === 0 ? [] : [aligned([['earlier', 'relative NCCR', 'clean', 'PGD'], ...trend])]),
  ].join('\n');
}

function modelLine({ name, relative, l2, accuracy }: ModelRobustness): string[] {
  const interval = ({ ci95: [low, high] }: { ci95: readonly [number, number] }) =>
    `${nccrText(low)} to ${nccrText(high)}`;
  return [
    name,
    nccrText(relative.mean),
    interval(relative),
    nccrText(relative.box.median),
    String(relative.box.outlier_count),
    nccrText(l2.mean),
    interval(l2),
    percentText(accuracy.clean),
    accuracy.pgd === null ? '–' : percentText(accuracy.pgd),
    percentText(accuracy.random_noise.mean),
  ];
}

function layerLine({ name, per_layer: layers }: ModelRobustness): string | undefined {
  if (layers.length === 0) return undefined;
  return `${name} by layer: ${layers.map(({ tensor, relative }) => `${tensor} ${nccrText(relative.mean)}`).join(', ')}`;
}

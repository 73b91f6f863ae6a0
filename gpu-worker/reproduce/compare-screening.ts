// Table 6: F1 of screening and its baselines on poisoned training sets beside the paper's, and the time of each.
import type { MethodCosts, ReproducedGrid } from '../../shared/contracts/reproduction.ts';
import type { ScreeningRow, ScreeningTable } from '../../shared/contracts/screening-table.ts';
import { clusteringMethod, methodTitle } from '../evaluate/screening-methods.ts';
import { paperScreening, paperScreeningMethods } from './paper-tables.ts';

/** What stands for each method of the paper: Activation Clustering as published, with the smaller cluster. */
const methods = ['nccr', clusteringMethod('ica', 'smaller'), 'strip'] as const;

/** One row a training set; a set of another rate stands beside the same figure of the paper, which names none. */
export function compareScreening({ rows }: ScreeningTable): ReproducedGrid[] {
  const poisoned = rows.filter(({ trigger }) => trigger !== null);
  if (poisoned.length === 0) return [];
  return [
    {
      title: 'F1 of the suspects; a residual network of six convolutions here, ResNet-34 in the paper',
      unit: 'f1',
      columns: [...paperScreeningMethods],
      rows: poisoned.map((row) => {
        const paper = paperFiguresOf(row);
        return {
          label: row.name,
          cells: methods.map((method, index) => ({
            paper: paper?.[index] ?? null,
            ours: row.methods[method]?.f1 ?? null,
          })),
        };
      }),
    },
  ];
}

/** The paper's sets were poisoned with changed labels; a clean-label set has no figure there. */
function paperFiguresOf({ name, trigger, clean_label: cleanLabel }: ScreeningRow) {
  const [data] = name.split('_');
  return cleanLabel || trigger === null ? undefined : paperScreening[data]?.[trigger];
}

/** Mean time of each method over the sets. */
export function screeningCosts({ rows, device }: ScreeningTable): MethodCosts[] {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row.methods)))];
  const costs = names.map((name) => {
    const seconds = rows.flatMap((row) => row.methods[name]?.seconds ?? []);
    return { method: methodTitle(name), cost: seconds.reduce((sum, each) => sum + each, 0) / seconds.length };
  });
  const examples = rows.map((row) => row.examples);
  const range = `${Math.min(...examples)} to ${Math.max(...examples)} examples`;
  return [
    { title: `${rows.length} training sets of ${range}, on ${device}`, unit: 's a set, mean', rows: costs },
  ];
}

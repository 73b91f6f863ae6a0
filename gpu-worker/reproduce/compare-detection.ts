// Tables 3 and 4: the train-by-test matrix of a design and the paper's baselines beside the paper's figures, and what each cost.
import type { DetectionTable } from '../../shared/contracts/detection-table.ts';
import type { MethodCosts, ReproducedGrid } from '../../shared/contracts/reproduction.ts';
import {
  matrixCombine,
  type PaperTable,
  paperTablesOf,
  paperTrainingSets,
} from '../evaluate/paper-figures.ts';
import { attackTitle, scorerTitle } from '../evaluate/report-names.ts';
import { matrixDesigns } from './reproduction-steps.ts';

/** The grids of one of the paper's tables: one a network of the paper and a design of ours. */
export function compareDetection(table: DetectionTable, which: PaperTable['table']): ReproducedGrid[] {
  const paper = paperTablesOf(table).filter((each) => each.table === which);
  return paper.flatMap((network) => matrixDesigns.map((design) => gridOf(table, { network, design })));
}

function gridOf(
  { matrix, rows, model }: DetectionTable,
  { network, design }: { network: PaperTable; design: string },
): ReproducedGrid {
  const sources = [...matrixCombine.map((attack) => [attack]), matrixCombine];
  const trained = sources.map((source) =>
    matrix?.find((row) => row.design === design && row.trained_on.join() === source.join()),
  );
  const attacks = Object.keys(network.rows) as (keyof typeof network.rows)[];
  return {
    title: `${scorerTitle(design)} on ${nameOf(model)}; the paper’s NCCR on ${network.network}`,
    unit: 'auroc',
    columns: [...paperTrainingSets.map((name) => `trained on ${name}`), ...network.baselines],
    rows: attacks.map((attack) => {
      const paper = network.rows[attack]!;
      const measured = rows.find((row) => row.attack === attack);
      const ours = [
        ...trained.map((row) => row?.cells[attack]?.auroc.mean),
        ...network.baselines.map((name) => measured?.cells[name.toLowerCase()]?.auroc.mean),
      ];
      return {
        label: attackTitle(attack),
        cells: paper.map((figure, index) => ({ paper: figure, ours: ours[index] ?? null })),
      };
    }),
  };
}

/** Time of each way of scoring; nothing where it was not measured. */
export function detectionCosts({ costs, model }: DetectionTable): MethodCosts[] {
  if (costs === undefined) return [];
  const methods = Object.entries(costs.methods).map(([name, { ms }]) => ({
    method: scorerTitle(name),
    cost: ms.median,
  }));
  return [
    {
      title: `${nameOf(model)}, ${costs.inputs} inputs one by one on ${costs.device}`,
      unit: 'ms an input, median',
      rows: [{ method: 'one forward pass of the bare model', cost: costs.bare_ms.median }, ...methods],
    },
  ];
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

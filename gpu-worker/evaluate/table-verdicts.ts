// What the figures of a table say, as sentences: whether a design beats the margin, and whether it is cheap enough.
import type { DetectionTable, TableCosts, TableRow } from '../../shared/contracts/detection-table.ts';
import type { VectorDesign } from '../../shared/contracts/detector-artefact.ts';
import { areaText } from '../../shared/report/figure-text.ts';
import { attackNames } from '../attacks/attack-by-name.ts';
import { scorerColumns, scorerTitle, sequentialDesign } from './report-names.ts';

/** The product's own design: the one that cost is claimed for. */
export const productDesign: VectorDesign = 'margin-changes';
/** Baselines that it should cost a fifth of, at an area no lower. */
const rivals = ['a2d', 'label change rate'] as const;
const cheaperAtLeast = 5;

/** What was found of one statement. */
export interface TableVerdict {
  readonly name: string;
  readonly holds: boolean;
  readonly sentence: string;
}

/**
 * Rows of the smallest successes and rows of a fixed radius: what tells the one is often blind to the other. Of examples made
 * elsewhere nobody has said which they are.
 */
function rowGroups({ rows }: DetectionTable): { title: string; rows: TableRow[] }[] {
  const isFixed = ({ attack }: TableRow) => attack.includes(' @');
  const isSmallest = ({ attack }: TableRow) => attackNames.some((name) => name === attack);
  return [
    { title: 'smallest examples', rows: rows.filter(isSmallest) },
    { title: 'fixed radii', rows: rows.filter(isFixed) },
    { title: 'examples made elsewhere', rows: rows.filter((row) => !isSmallest(row) && !isFixed(row)) },
  ].filter((group) => group.rows.length > 0);
}

/** Mean area of a way of scoring over some sets. */
function meanArea(rows: readonly TableRow[], name: string): number {
  return rows.reduce((sum, { cells }) => sum + cells[name].auroc.mean, 0) / rows.length;
}

/**
 * Whether each design beats the plain logit margin: on every group of sets in the mean, as figures are printed.
 * @returns nothing where the table has no margin
 */
export function marginVerdicts(table: DetectionTable): TableVerdict[] {
  const { designs, baselines } = scorerColumns(table);
  if (!baselines.includes('margin')) return [];
  return designs.map((name) => {
    const groups = rowGroups(table).map(({ title, rows }) => {
      const [own, margin] = [meanArea(rows, name), meanArea(rows, 'margin')].map(areaText);
      const above = own > margin ? 'beats' : own === margin ? 'ties with' : 'does not beat';
      const ahead = rows.filter(
        ({ cells }) => areaText(cells[name].auroc.mean) > areaText(cells.margin.auroc.mean),
      ).length;
      return {
        above,
        text: `on the ${title} it ${above} the margin (mean AUROC ${own} against ${margin}, ahead on ${ahead} of ${rows.length} sets)`,
      };
    });
    const holds = groups.every(({ above }) => above === 'beats');
    return {
      name,
      holds,
      sentence: `${scorerTitle(name)}: ${groups.map(({ text }) => text).join('; ')}.`,
    };
  });
}

/**
 * Whether the product's own design, and each sequential test, costs at most a fifth of each rival at an area no lower on any
 * group of sets.
 * @returns nothing where the table has no times, or not these columns
 */
export function costVerdicts(table: DetectionTable): TableVerdict[] {
  const { costs } = table;
  if (costs === undefined) return [];
  const { designs } = scorerColumns(table);
  const judged = designs.filter((name) => name === productDesign || sequentialDesign(name) !== undefined);
  const against = rivals.filter((rival) => Object.hasOwn(costs.methods, rival));
  return judged.flatMap((name) => against.map((rival) => costVerdict({ ...table, costs }, name, rival)));
}

function costVerdict(
  table: DetectionTable & { costs: TableCosts },
  name: string,
  rival: string,
): TableVerdict {
  const [own, theirs] = [table.costs.methods[name], table.costs.methods[rival]];
  const cheaper = theirs.mean_ratio / own.mean_ratio;
  const areas = rowGroups(table).map(({ title, rows }) => ({
    title,
    own: areaText(meanArea(rows, name)),
    theirs: areaText(meanArea(rows, rival)),
  }));
  const fewer = theirs.forwards / own.forwards;
  const isCheaper = cheaper >= cheaperAtLeast;
  const isNoWorse = areas.every((area) => area.own >= area.theirs);
  const compared = areas.map((area) => `${area.title} ${area.own} against ${area.theirs}`).join(', ');
  return {
    name: rival,
    holds: isCheaper && isNoWorse,
    sentence: `${scorerTitle(name)} takes ${cheaper.toFixed(1)} times less time than ${scorerTitle(rival)} (${isCheaper ? 'at least' : 'less than'} ${cheaperAtLeast}), and ${fewer.toFixed(1)} times fewer forward passes, at an AUROC ${isNoWorse ? 'no lower' : 'that is lower somewhere'} (${compared}): ${isCheaper && isNoWorse ? 'it holds' : 'it does not hold'}.`,
  };
}

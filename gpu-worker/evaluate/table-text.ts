// A table for a person at a terminal.
import type { DetectionTable, Quartiles, Spread } from '../../shared/contracts/detection-table.ts';
import { areaText, percentText } from '../../shared/report/figure-text.ts';
import { trainingTitle } from './report-names.ts';
import { costVerdicts, marginVerdicts } from './table-verdicts.ts';
import { aligned } from './text-columns.ts';

/** The table: a line a set, a column a way of scoring, AUROC over the seeds; then times, the matrix, and what they say. */
export function tableText(table: DetectionTable): string {
  const verdicts = [...marginVerdicts(table), ...costVerdicts(table)].map(({ sentence }) => sentence);
  return [figureLines(table), settingLines(table), costLines(table), matrixLines(table), verdicts.join('\n')]
    .filter((part) => part !== '')
    .join('\n\n');
}

function figureLines({ rows, false_positives }: DetectionTable): string {
  const names = Object.keys(rows[0].cells);
  return aligned([
    ['AUROC', 'successes', ...names],
    ...rows.map(({ attack, attacked, successes, cells }) => [
      attack,
      `${successes}/${attacked}`,
      ...names.map((name) => spreadText(cells[name].auroc)),
    ]),
    ['flagged at 5 %', '', ...names.map(() => '')],
    ...Object.entries(false_positives).map(([shift, cells]) => [
      shift,
      '',
      ...names.map((name) => percentText(cells[name].mean)),
    ]),
  ]);
}

function settingLines({ settings = {} }: DetectionTable): string {
  return Object.entries(settings)
    .map(([name, setting]) => `${name}: ${setting}`)
    .join('\n');
}

function costLines({ costs }: DetectionTable): string {
  if (costs === undefined) return '';
  const { inputs, device, bare_ms, gradient_ratio, methods } = costs;
  const head = `Time for one input, relative to one forward pass of the bare model (${quartilesText(bare_ms, 3)} ms; a gradient takes ${quartilesText(gradient_ratio, 2)}), median [quartiles] of ${inputs} clean inputs, ${device}`;
  const lines = aligned([
    ['', 'forwards', 'mean time', 'median time'],
    ...Object.entries(methods).map(([name, { forwards, ratio, mean_ratio }]) => [
      name,
      forwards.toFixed(1),
      mean_ratio.toFixed(2),
      quartilesText(ratio, 2),
    ]),
  ]);
  return `${head}\n${lines}`;
}

function matrixLines({ matrix = [] }: DetectionTable): string {
  if (matrix.length === 0) return '';
  const attacks = Object.keys(matrix[0].cells);
  const cells = matrix.flatMap((row) => Object.values(row.cells));
  const beside = [...new Set(cells.flatMap(({ paper = {} }) => Object.keys(paper)))];
  const head = `Trained on one attack, tested on each: AUROC${beside.length === 0 ? '' : `, in brackets the paper's (${beside.join('; ')})`}`;
  const lines = aligned([
    ['trained on, tested on', ...attacks],
    ...matrix.map(({ design, trained_on, cells: tested }) => [
      `${design}, ${trainingTitle(trained_on)}`,
      ...attacks.map((attack) => {
        const { auroc, paper = {} } = tested[attack];
        const theirs = Object.values(paper).map(areaText).join('; ');
        return `${spreadText(auroc)}${theirs === '' ? '' : ` (${theirs})`}`;
      }),
    ]),
  ]);
  return `${head}\n${lines}`;
}

function spreadText({ mean, deviation }: Spread): string {
  return deviation === 0 ? areaText(mean) : `${areaText(mean)} ±${areaText(deviation)}`;
}

function quartilesText({ median, quartiles }: Quartiles, digits: number): string {
  const [low, high] = quartiles.map((value) => value.toFixed(digits));
  return `${median.toFixed(digits)} [${low} to ${high}]`;
}

// The table of a speaker model for a person at a terminal, with the paper's Table 5 beside it.
import { areaText, percentText } from '../../shared/report/figure-text.ts';
import { paperSpeakerFigures, paperSpeakerMethods } from './paper-speaker-figures.ts';
import type { SpeakerFigures } from './speaker-figures.ts';
import type { SpeakerRow, SpeakerTable } from './speaker-table.ts';
import { verificationScores } from './speaker-verification.ts';
import { aligned } from './text-columns.ts';

/** AUROC by window and by utterance, true and false positives, verification, and the paper's figures. */
export function speakerTableText(table: SpeakerTable): string {
  const { rows } = table;
  const attacks = rows.filter(({ adversarial }) => adversarial);
  const controls = rows.filter(({ adversarial }) => !adversarial);
  const count = ({ windows, attacked }: SpeakerRow) => `${windows}/${attacked}`;
  const part = (
    head: string,
    of: readonly SpeakerRow[],
    text: (figures: SpeakerFigures) => string,
  ): string => {
    const names = Object.keys(rows[0].cells);
    const lines = of.map((row) => [
      row.set,
      count(row),
      ...names.map((name) => (row.cells[name] === undefined ? '-' : text(row.cells[name]))),
    ]);
    return aligned([[head, 'windows', ...names], ...lines]);
  };
  const noises = controls.filter(({ set }) => set.startsWith('noise'));
  return [
    `${table.model}: names the speaker of ${percentText(table.accuracy)} of the test windows; the cross-entropy of ${percentText(table.vanished_gradients)} of them has no gradient, so attacks follow the margin`,
    part('AUROC, windows', [...attacks, ...noises], areaWithSpread),
    part('AUROC, utterances', attacks, ({ auroc_pooled }) => areaText(auroc_pooled)),
    part('caught at 5 %', attacks, ({ tpr_at_5 }) => percentText(tpr_at_5)),
    part('flagged at 5 %', controls, ({ flagged }) => percentText(flagged)),
    verificationText(table),
    paperText(),
  ]
    .filter((lines) => lines !== '')
    .join('\n\n');
}

function areaWithSpread({ auroc, auroc_deviation }: SpeakerFigures): string {
  return auroc_deviation === 0 ? areaText(auroc) : `${areaText(auroc)} ±${areaText(auroc_deviation)}`;
}

function verificationText({ verification, rows }: SpeakerTable): string {
  if (verification === undefined) return '';
  const lines = rows.flatMap(({ set, verified }) =>
    verified === undefined
      ? []
      : [
          [
            set,
            ...verificationScores.map((kind) => {
              const { own, named } = verified[kind];
              return `${percentText(own)}, ${percentText(named)}`;
            }),
          ],
        ],
  );
  const rates = verificationScores.map((kind) => percentText(verification[kind].eer));
  return aligned([
    ['verification', ...verificationScores],
    ['equal error rate', ...rates],
    ['accepted as own, as named', ...verificationScores.map(() => '')],
    ...lines,
  ]);
}

function paperText(): string {
  const lines = Object.entries(paperSpeakerFigures).flatMap(([network, attacks]) =>
    Object.entries(attacks).map(([attack, figures]) => [`${network}, ${attack}`, ...figures.map(areaText)]),
  );
  return aligned([['the paper, Table 5', ...paperSpeakerMethods], ...lines]);
}

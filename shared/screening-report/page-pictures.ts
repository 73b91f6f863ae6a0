// The pictured classes of a screening's page: the poisoned ones with their likeliest suspects, then the closest of the others.
import { html } from 'hono/html';
import type { ClassVerdict } from '../contracts/screening.ts';
import type { ClassPicture, ScreeningReport } from '../contracts/screening-report.ts';
import { countOf, countText } from '../report/figure-text.ts';
import type { Markup } from '../report/report-markup.ts';
import { classTitle } from './class-title.ts';
import { clusterLooks, type JudgedVerdict, markKey } from './cluster-marks.ts';
import { capital } from './page-headline.ts';
import { scatterPlot } from './scatter-plot.ts';
import { silhouettePlot } from './silhouette-plot.ts';

/** A section for each poisoned class. */
export function poisonedSections(report: ScreeningReport): Markup[] {
  const pictures = new Map(report.pictures.map((picture) => [picture.label, picture]));
  const entropyMax = Math.log2(report.screening.classes - 1);
  return report.screening.verdicts
    .filter((verdict) => verdict.verdict === 'poisoned')
    .map((verdict) => {
      const [poison, rest] = clusterLooks(verdict);
      const picture = pictures.get(verdict.label);
      return html`<section>
<h2>${capital(classTitle(report, verdict.label))}: ${countOf(poison.examples, 'suspect')}</h2>
<p>${reasonText(verdict, report)} The model’s second choices spread over ${poison.entropyBits.toFixed(2)} bits among the suspects and ${rest.entropyBits.toFixed(2)} among the rest, of ${entropyMax.toFixed(2)} at most. ${direction(verdict)}</p>
${picture === undefined ? '' : pictured(verdict, picture, classTitle(report, verdict.label))}
${thumbnailLists(report, verdict, picture)}
</section>
`;
    });
}

/** The section with the other pictured classes; nothing where there is none. */
export function gallerySection(report: ScreeningReport): Markup {
  const verdicts = new Map(report.screening.verdicts.map((verdict) => [verdict.label, verdict]));
  const clean = report.pictures
    .map((picture) => ({ picture, verdict: verdicts.get(picture.label) }))
    .filter(
      (each): each is { picture: ClassPicture; verdict: Extract<ClassVerdict, { verdict: 'clean' }> } => {
        return each.verdict?.verdict === 'clean';
      },
    )
    .sort((left, right) => right.verdict.evidence - left.verdict.evidence);
  if (clean.length === 0) return html``;
  const all = report.screening.verdicts.filter(({ verdict }) => verdict === 'clean').length;
  return html`<section>
<h2>Classes that are not poisoned</h2>
<p>${clean.length === all ? 'All' : `${clean.length} of ${countText(all)}`}, those of the most evidence first. Two clusters are always made, of a clean class as well.</p>
<div class="gallery">
${clean.map(({ picture, verdict }) => pictured(verdict, picture, classTitle(report, picture.label)))}
</div>
</section>`;
}

type PoisonedVerdict = Extract<ClassVerdict, { verdict: 'poisoned' }>;

function reasonText(
  { reason, ...verdict }: PoisonedVerdict,
  { screening: { rule } }: ScreeningReport,
): string {
  const apart = `Its clusters lie ${verdict.separation.toFixed(2)} deviations apart`;
  return reason === 'evidence'
    ? `${apart}: evidence ${verdict.evidence.toFixed(2)}, poison from ${rule.evidence_min}.`
    : `${apart}, along its first component ${verdict.first_separation.toFixed(2)}, poison from ${rule.first_separation_min}.`;
}

function direction({ direction: kind, reason }: PoisonedVerdict): string {
  if (kind === 'strong') return 'That difference tells which cluster is the poison.';
  return reason === 'evidence'
    ? 'That is too alike to tell which cluster is the poison: the smaller one was taken. Look at both.'
    : 'That does not tell which cluster is the poison: the smaller one was taken. Look at both.';
}

function pictured(verdict: JudgedVerdict, picture: ClassPicture, title: string): Markup {
  const looks = clusterLooks(verdict);
  const keys = looks.map((look) => {
    const shown = picture.clusters[look.index].points.length;
    const drawn = shown < look.examples ? ` (${countText(shown)} drawn)` : '';
    return markKey(look, `${countText(look.examples)}${drawn}`);
  });
  return html`<figure class="pictured"><figcaption>${capital(title)} <span class="quiet">separation ${verdict.separation.toFixed(2)}</span><br>${keys}</figcaption>
<div class="pair">${scatterPlot(picture, { title, looks })}
${silhouettePlot(picture, { title, looks, mean: verdict.silhouette })}</div></figure>
`;
}

function thumbnailLists(
  report: ScreeningReport,
  verdict: Extract<ClassVerdict, { verdict: 'poisoned' }>,
  picture: ClassPicture | undefined,
): Markup {
  const images = new Map(report.thumbnails.map((image) => [image.row, image]));
  const files = new Map((report.suspect_files ?? []).map(({ row, name }) => [row, name]));
  const suspects = verdict.suspects.filter(({ row }) => images.has(row));
  const ordinary = (picture?.ordinary_rows ?? []).filter((row) => images.has(row));
  const entry = (row: number, below: string) => {
    const { media_type, data } = images.get(row)!;
    const file = files.get(row);
    const name = file === undefined ? `example ${row}` : `example ${row}, ${file}`;
    return html`<li><img src="data:${media_type};base64,${data}" alt="${name}"><b>${row}</b>${below === '' ? '' : html`<br>${below}`}</li>
`;
  };
  const all = suspects.length === verdict.suspects.length;
  return html`${
    suspects.length === 0
      ? ''
      : html`<p>The ${all ? '' : 'likeliest '}suspects with their rows in the data set and their scores: 0 is the place of the clean examples, 1 that of the poison.</p>
<ul class="thumbnails">
${suspects.map(({ row, score }) => entry(row, score.toFixed(2)))}
</ul>`
  }
${
  ordinary.length === 0
    ? ''
    : html`<p>For comparison, some of the rest of the class:</p>
<ul class="thumbnails">
${ordinary.map((row) => entry(row, ''))}
</ul>`
}`;
}

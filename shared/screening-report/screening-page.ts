// The report of a screening as one self-contained HTML page.
import { html, raw } from 'hono/html';
import type { ScreeningReport } from '../contracts/screening-report.ts';
import { countOf } from '../report/figure-text.ts';
import { reportStyle } from '../report/report-style.ts';
import { headline } from './page-headline.ts';
import { limitsSection, methodSection } from './page-method.ts';
import { gallerySection, poisonedSections } from './page-pictures.ts';
import { classesSection, outliersSection, provenanceSection } from './page-tables.ts';
import { screeningStyle } from './screening-style.ts';

/** What the page may load: nothing but its own style and the images inside it. Whoever serves it sends this as a header too. */
export const screeningPagePolicy =
  "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/** Writes the page. It needs no script, loads nothing, and reads in light, dark and print. */
export async function screeningPage(report: ScreeningReport): Promise<string> {
  const { dataset, model, screening } = report;
  const page = await html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${raw(screeningPagePolicy)}">
<title>Screening of ${dataset.name}</title>
<style>${raw(reportStyle + screeningStyle)}</style>
</head>
<body>
<main>
<h1>Screening of ${dataset.name} for poison</h1>
<p class="quiet">${countOf(screening.examples, 'example')} in ${countOf(screening.verdicts.length, 'class', 'classes')}, read through the model ${model.name}.</p>
${headline(report)}
${poisonedSections(report)}
${classesSection(report)}
${outliersSection(report) ?? ''}
${gallerySection(report)}
${methodSection(report)}
${limitsSection(report)}
${provenanceSection(report)}
</main>
</body>
</html>
`;
  return String(page);
}

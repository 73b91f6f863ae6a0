// The paper's figures, drawn again, on one self-contained HTML page.
import { html, raw } from 'hono/html';
import { figureTable } from '../../shared/report/report-markup.ts';
import { reportStyle } from '../../shared/report/report-style.ts';

/** A figure with what it shows. */
export interface DrawnFigure {
  /** File name without its ending. */
  readonly id: string;
  readonly title: string;
  /** What was measured, in sentences. */
  readonly caption: string;
  readonly svg: string;
}

/** Two kinds of inputs and how well NCCR tells them apart. */
export interface Separation {
  readonly name: string;
  readonly inputs: number;
  readonly epsilon: number;
  readonly mean: number;
  readonly cleanMean: number;
  /** Of the NCCR as a score: under 0.5 where clean inputs change more. */
  readonly auroc: number;
}

/** Figures are on white whatever the page's ground: their ink is for paper. */
const figureStyle = `
.drawn { background: #fff; padding: .75rem; border: 1px solid var(--rule); margin: .8rem 0; overflow-x: auto; }
.drawn svg { width: 100%; max-width: 52rem; height: auto; color: #000; }
`;

/** Writes the page; it needs no script and loads nothing. */
export async function figuresPage(
  { model, dataset }: { model: string; dataset: string },
  { figures, separations }: { figures: readonly DrawnFigure[]; separations: readonly Separation[] },
): Promise<string> {
  const head = html`<tr><th scope="col">inputs</th><th scope="col">count</th><th scope="col">noise</th><th scope="col">mean NCCR</th><th scope="col">of clean inputs</th><th scope="col">AUROC</th></tr>`;
  const body = separations.map(
    ({ name, inputs, epsilon, mean, cleanMean, auroc }) =>
      html`<tr><th scope="row">${name}</th><td>${inputs}</td><td>${epsilon.toPrecision(3)}</td><td>${mean.toPrecision(3)}</td><td>${cleanMean.toPrecision(3)}</td><td>${auroc.toFixed(3)}</td></tr>
`,
  );
  const page = await html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Figures of ${model}</title>
<style>${raw(reportStyle + figureStyle)}</style>
</head>
<body>
<main>
<h1>Figures of ${model} on ${dataset}</h1>
<p class="quiet">As Figures 1 and 3 to 5 of “NCCR: to Evaluate the Robustness of Neural Networks and Adversarial Examples” show it for the paper’s models. Figure 2 is the box plot of <code>model evaluate</code>.</p>
${figures.map(
  ({ title, caption, svg }) => html`<section>
<h2>${title}</h2>
<p>${caption}</p>
<figure class="drawn" role="img" aria-label="${title}">${raw(svg)}</figure>
</section>
`,
)}
<section>
<h2>What the eye is to see, as numbers</h2>
<p>AUROC of the raw NCCR as a score: 1 where every such input changes more than every clean one, 0.5 is chance, under it clean inputs change more. A detector reads more than this one number.</p>
${figureTable('Separation', head, body)}
</section>
</main>
</body>
</html>
`;
  return String(page);
}

// The page of what attacks on the detectors found: what its code fills in.
import { html } from 'hono/html';
import type { PageContent } from './page-frame.ts';

export const robustnessPage: PageContent = {
  title: 'Robustness',
  lead: 'What attacks on the model and its guard together found, as the card in each detector artefact has it; and how much models change under noise, as the reports say that were sent in.',
  body: html`<div id="models"></div>
<section id="reports" hidden>
<h2>Robustness reports</h2>
<p id="no-reports" class="notice">None yet. <code>model evaluate --out report.json</code> makes one, <code>POST /v1/robustness-reports</code> stores it.</p>
<div id="report-rows" class="scroll" tabindex="0" role="region" aria-label="Robustness reports" hidden></div>
<p class="actions"><button type="button" id="more-reports" hidden>Older reports</button></p>
<iframe id="report" hidden title="Robustness report" sandbox referrerpolicy="no-referrer"></iframe>
</section>`,
};

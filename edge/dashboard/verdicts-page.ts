// The page of live verdicts: what its code fills in.
import { html } from 'hono/html';
import { verdictKinds } from '../../shared/contracts/verdict.ts';
import type { PageContent } from './page-frame.ts';

export const verdictsPage: PageContent = {
  title: 'Verdicts',
  lead: 'What the guard said of each request, newest first, as the audit has it.',
  body: html`<form id="filters" class="controls" aria-label="Which verdicts are shown">
<p><label for="model">Model</label> <select id="model"><option value="">all</option></select></p>
<p><label for="verdict">Verdict</label> <select id="verdict"><option value="">all</option>
${verdictKinds.map((kind) => html`<option value="${kind}">${kind}</option>`)}</select></p>
<p><label class="check"><input type="checkbox" id="live" checked> Live</label></p>
</form>
<p id="news" class="quiet" role="status"></p>
<div class="scroll" tabindex="0" role="region" aria-label="Verdicts">
<table class="list"><thead><tr><th scope="col">Time</th><th scope="col">Verdict</th><th scope="col" class="number">Score</th><th scope="col" class="number wide">Threshold</th>
<th scope="col" class="wide">Model</th><th scope="col" class="wide">Request</th><th scope="col" class="wide">By</th><th scope="col"><span class="hidden">Details</span></th></tr></thead>
<tbody id="rows"></tbody></table>
</div>
<p><button type="button" id="older" hidden>Older verdicts</button></p>
<dialog id="details" aria-labelledby="details-title">
<h2 id="details-title" tabindex="-1" autofocus>Verdict</h2>
<dl id="facts" class="facts"></dl>
<details><summary>As JSON</summary><pre id="json" tabindex="0"></pre></details>
<form method="dialog"><button>Close</button></form>
</dialog>`,
};

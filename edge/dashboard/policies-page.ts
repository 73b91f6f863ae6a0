// The page of a model's policy: what its code fills in.
import { html } from 'hono/html';
import { closedFailureClasses, reveals } from '../../shared/contracts/policy.ts';
import { failureClasses, guardModes } from '../../shared/contracts/verdict.ts';
import type { PageContent } from './page-frame.ts';

const closed: readonly string[] = closedFailureClasses;

export const policiesPage: PageContent = {
  title: 'Policies',
  lead: 'What the guard of a model may do. A draft guards nothing until it is published; a version that was published never changes.',
  body: html`<form class="controls" aria-label="Which policy is shown"><p><label for="model">Model</label> <select id="model"></select></p></form>
<div class="columns">
<section aria-labelledby="draft-title">
<h2 id="draft-title">Draft</h2>
<form id="draft">
<p class="field"><label for="mode">Mode</label>
<select id="mode" name="/mode">${guardModes.map((mode) => html`<option>${mode}</option>`)}</select></p>
<p class="field"><label for="sampling">Requests judged, in percent</label>
<input id="sampling" name="/sampling_percent" type="number" min="0" max="100" step="any" required></p>
<p class="field"><label for="flag">Flag above</label>
<input id="flag" name="/thresholds/flag" type="number" step="any" placeholder="flags nothing"></p>
<p class="field"><label for="block">Block above</label>
<input id="block" name="/thresholds/block" type="number" step="any" placeholder="the detector's threshold"></p>
<p class="field"><label for="batch">A bad row in a batch</label>
<select id="batch" name="/batch"><option value="refuse">refuses the whole request</option><option value="cut">is cut out</option></select></p>
<p class="field"><label for="reveal">Callers are told</label>
<select id="reveal" name="/reveal">${reveals.map((reveal) => html`<option>${reveal}</option>`)}</select></p>
<p class="field"><label for="timeout">Time for a verdict, in ms</label>
<input id="timeout" name="/timeout_ms" type="number" min="1" max="60000" step="1" placeholder="as the edge is configured"></p>
<fieldset><legend>A caller that asks again and again with nearly the same input</legend>
<p class="field"><label for="queries-action">Such a query</label>
<select id="queries-action"><option value="">is not looked for</option><option value="flag">is flagged</option><option value="block">is blocked</option></select></p>
<p class="field"><label for="queries-matches">Earlier inputs that it nearly equals</label>
<input id="queries-matches" type="number" min="1" max="500" step="1" placeholder="3"></p>
<p class="field"><label for="queries-window">Within seconds</label>
<input id="queries-window" type="number" min="1" max="86400" step="1" placeholder="3600"></p>
</fieldset>
<fieldset><legend>A request that cannot be judged, by the cause</legend>
${failureClasses.map(
  (name) => html`<p class="field"><label for="failure-${name}">${name.replaceAll('_', ' ')}</label>
<select id="failure-${name}" name="/failures/${name}"${closed.includes(name) ? ' disabled' : ''}>
<option value="refuse">is refused</option>${closed.includes(name) ? '' : html`<option value="pass">passes</option>`}</select></p>
`,
)}</fieldset>
<p class="actions"><button type="submit">Save the draft</button> <button type="button" id="publish" disabled>Publish…</button></p>
</form>
</section>
<section aria-labelledby="changes-title">
<h2 id="changes-title">What the draft changes</h2>
<div id="changes"></div>
<h2>Versions</h2>
<div id="versions"></div>
</section>
</div>
<dialog id="confirm" aria-labelledby="confirm-title">
<h2 id="confirm-title"></h2>
<div id="confirm-changes"></div>
<p class="actions"><button type="button" id="confirm-yes"></button> <button type="button" id="confirm-no" autofocus>Cancel</button></p>
</dialog>`,
};

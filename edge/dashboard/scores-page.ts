// The page of scores against the threshold: what its code fills in.
import { html } from 'hono/html';
import type { PageContent } from './page-frame.ts';

export const scoresPage: PageContent = {
  title: 'Scores',
  lead: 'Where the scores of recent inputs lie, beside the threshold that the calibration set.',
  body: html`<form id="filters" class="controls" aria-label="Whose scores are shown">
<p><label for="model">Model</label> <select id="model"></select></p>
<p><label for="count">Latest verdicts</label> <select id="count"><option>500</option><option>2000</option><option>5000</option></select></p>
<p><button type="submit">Refresh</button></p>
</form>
<figure id="plot" class="plot"></figure>
<ul class="legend" aria-label="Key">
<li><span class="swatch under"></span>at or below the threshold</li>
<li><span class="swatch over"></span>above it</li>
<li id="outline-key" hidden><span class="swatch outline"></span>clean inputs of the calibration, as many as lie below the threshold</li>
<li><span class="swatch line"></span>the calibrated threshold</li>
</ul>
<div id="shares" class="headline calm" hidden><p class="label">Above their thresholds</p><p class="figure" id="share"></p><p id="expectation"></p></div>
<h2>Drift</h2>
<p id="drift"></p>
<h2>Calibration</h2>
<dl id="calibration" class="facts"></dl>
<details><summary>The bars as a table</summary>
<div class="scroll" tabindex="0" role="region" aria-label="The bars as a table">
<table><thead><tr><th scope="col">Scores from</th><th scope="col">to</th><th scope="col">inputs</th></tr></thead><tbody id="bars"></tbody></table>
</div></details>`,
};

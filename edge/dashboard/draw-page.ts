// The page on which a digit is drawn and attacked: what its code fills in.
import { html } from 'hono/html';
import type { PageContent } from './page-frame.ts';

export const drawPage: PageContent = {
  title: 'Draw and attack',
  lead: 'Draw a digit, have this browser search for a change that misleads the model, and see what the guard says of both.',
  body: html`<p id="none" class="notice" hidden>No configured model reads images of 28 × 28 pixels, so that there is nothing to draw for.</p>
<div id="stage">
<section aria-labelledby="draw-title">
<h2 id="draw-title">1. Draw</h2>
<p id="how" class="quiet">With mouse or finger, or with the keyboard: the arrow keys move the pen, with Shift by four pixels; Space lowers and lifts it.</p>
<div class="board"><canvas id="board" width="28" height="28" tabindex="0" role="application" aria-label="Drawing area of 28 by 28 pixels" aria-describedby="how"></canvas></div>
<p id="pen" class="quiet" role="status"></p>
<p class="actions"><button type="button" id="clear">Clear</button>
<label for="example">or take a</label> <select id="example"><option value="">…</option>
${Array.from({ length: 10 }, (_, digit) => html`<option>${digit}</option>`)}</select></p>
</section>
<section aria-labelledby="attack-title">
<h2 id="attack-title">2. Attack</h2>
<form id="attack">
<p class="field"><label for="guarded">Guarded model</label> <select id="guarded"></select></p>
<p class="field"><label for="asked">The attacker asks</label> <select id="asked"></select></p>
<p class="field"><label for="epsilon">Largest change of a pixel</label>
<select id="epsilon"><option>0.1</option><option>0.2</option><option selected>0.3</option><option>0.4</option></select></p>
<p class="field"><label for="queries">Queries at most</label>
<select id="queries"><option>200</option><option selected>1000</option><option>3000</option></select></p>
<p class="actions"><button type="submit" id="start">Attack</button> <button type="button" id="stop" disabled>Stop</button></p>
</form>
<p class="quiet">The Square attack: it sees the model's answers alone, no gradients. Every query is a request like any other.</p>
<p><progress id="progress" max="1" value="0" aria-label="Queries spent"></progress></p>
<p id="course" role="status"></p>
</section>
</div>
<section aria-labelledby="views-title">
<h2 id="views-title">3. The guard's view</h2>
<div id="views" class="views"></div>
</section>`,
};

// The page of screening jobs: what its code fills in.
import { html } from 'hono/html';
import type { PageContent } from './page-frame.ts';

export const screeningsPage: PageContent = {
  title: 'Screenings',
  lead: 'Jobs that look for poison in training data, latest first.',
  body: html`<p id="news" class="quiet" role="status"></p>
<ul id="jobs" class="cards"></ul>
<p><button type="button" id="older" hidden>Older screenings</button></p>`,
};

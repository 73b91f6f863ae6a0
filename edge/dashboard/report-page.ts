// The page that shows the report of one screening, in a frame in which nothing runs.
import { html } from 'hono/html';
import type { PageContent } from './page-frame.ts';

export const reportPage: PageContent = {
  title: 'Report of a screening',
  lead: 'As the job wrote it.',
  body: html`<p id="saving" class="actions" hidden><button type="button" id="save-page">Save the page</button>
<button type="button" id="save-json">Save as JSON</button>
<button type="button" id="save-csv">Save the suspects as CSV</button></p>
<p><a href="/dashboard/screenings">All screenings</a></p>
<iframe id="report" hidden title="Report of the screening" sandbox referrerpolicy="no-referrer"></iframe>`,
};

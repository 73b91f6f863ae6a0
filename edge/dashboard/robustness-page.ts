// The page of what attacks on the detectors found: what its code fills in.
import { html } from 'hono/html';
import type { PageContent } from './page-frame.ts';

export const robustnessPage: PageContent = {
  title: 'Robustness',
  lead: 'What attacks on the model and its guard together found, as the card in each detector artefact has it.',
  body: html`<div id="models"></div>`,
};

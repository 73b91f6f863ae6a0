// Pieces of markup that the sections of a report share.
import { html } from 'hono/html';

/** Markup whose parts are escaped. */
export type Markup = ReturnType<typeof html>;

/** A table in a box that scrolls by itself where the page is narrow. */
export function figureTable(label: string, head: Markup | Markup[], body: Markup[]): Markup {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${label}">
<table><thead>${head}</thead><tbody>
${body}
</tbody></table></div>`;
}

/** Class of the first column of a group. */
export function edge(index: number): string {
  return index === 0 ? 'edge' : '';
}

/** Statements, those that do not hold marked. */
export function verdictList(verdicts: readonly { holds: boolean; sentence: string }[]): Markup {
  return html`<ul>
${verdicts.map(
  ({ holds, sentence }) => html`<li>${holds ? '' : html`<span class="mark">▲ </span>`}${sentence}</li>
`,
)}
</ul>`;
}

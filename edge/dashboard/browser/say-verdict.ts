// How verdicts and their figures are said on the page: by a sign and a word, never by colour alone.
import type { Verdict, VerdictKind } from '../../../shared/contracts/verdict.ts';
import { type Child, element } from './element.ts';

const signs: Readonly<Record<VerdictKind, string>> = {
  allow: '✓',
  flag: '⚑',
  block: '✕',
  not_scored: '–',
  error: '!',
};

/** A verdict's kind with its sign. */
export function verdictMark(kind: VerdictKind): HTMLElement {
  return element(
    'span',
    { class: `verdict ${kind}` },
    element('span', { 'aria-hidden': 'true' }, signs[kind]),
    kind.replace('_', ' '),
  );
}

/** What became of the request, as far as the guard decided it. */
export function outcomeText({ verdict, mode, enforced, rows_cut: cut }: Verdict): string {
  if (cut !== undefined && cut.length > 0) return `${cut.length} of its rows cut out`;
  if (enforced) return 'refused';
  if (verdict === 'block') return mode === 'shadow' ? 'not refused (shadow)' : 'not refused';
  return verdict === 'error' || verdict === 'not_scored' ? 'not refused' : 'let pass';
}

/** A score or threshold. */
export function scoreText(score: number | null): string {
  return score === null ? '–' : score.toFixed(2).replace('-', '−');
}

/** A rate of the calibration, such as `5 %`. */
export function rateText(rate: number): string {
  return `${Number((100 * rate).toPrecision(3))} %`;
}

/** An instant in the reader's own time zone, with the exact one behind it. */
export function instant(text: string): HTMLTimeElement {
  const at = new Date(text);
  const isToday = at.toDateString() === new Date().toDateString();
  const shown = isToday ? at.toLocaleTimeString() : at.toLocaleString();
  return element('time', { datetime: text, title: text }, shown);
}

/** A digest or an id, cut short where it is shown beside others. */
export function short(text: string): Child {
  return element('code', { title: text }, text.replace('sha256:', '').slice(0, 12));
}

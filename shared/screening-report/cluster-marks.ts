// How the two clusters of a class look: told apart by shape as well as by colour, and named.
import { html } from 'hono/html';
import type { ClassVerdict } from '../contracts/screening.ts';
import type { Markup } from '../report/report-markup.ts';
import { unit } from './plot-frame.ts';

/** A shape that stands for an example; each has its class in the page's style. */
export type Mark = 'suspect' | 'rest' | 'smaller';

/** One cluster of a judged class as a page shows it. */
export interface ClusterLook {
  readonly index: 0 | 1;
  readonly mark: Mark;
  readonly name: string;
  readonly examples: number;
  readonly entropyBits: number;
}

/** A class that was judged. */
export type JudgedVerdict = Exclude<ClassVerdict, { verdict: 'too_small' }>;

/** The clusters of a class: the suspects first where it is poisoned, else the smaller one. */
export function clusterLooks(verdict: JudgedVerdict): [ClusterLook, ClusterLook] {
  const { clusters } = verdict;
  const look = (index: 0 | 1, mark: Mark, name: string): ClusterLook => {
    const { examples, entropy_bits } = clusters[index];
    return { index, mark, name, examples, entropyBits: entropy_bits };
  };
  if (verdict.verdict === 'poisoned') {
    const { poison_cluster: poison } = verdict;
    return [look(poison, 'suspect', 'suspects'), look(poison === 0 ? 1 : 0, 'rest', 'the rest')];
  }
  const smaller = clusters[1].examples < clusters[0].examples ? 1 : 0;
  return [look(smaller, 'smaller', 'smaller cluster'), look(smaller === 0 ? 1 : 0, 'rest', 'larger cluster')];
}

/** Path data of marks: a triangle, a dot (a stroke of no length with round ends) or a cross at each place. */
export function markPath(mark: Mark, places: Iterable<readonly [number, number]>): string {
  const parts: string[] = [];
  for (const [x, y] of places) {
    if (mark === 'suspect') parts.push(`M${unit(x)} ${unit(y - 3)}l3 5h-6z`);
    else if (mark === 'rest') parts.push(`M${unit(x)} ${unit(y)}h0`);
    else parts.push(`M${unit(x - 2)} ${unit(y - 2)}l4 4m0-4l-4 4`);
  }
  return parts.join('');
}

/** A mark in a line of text, with the name of its cluster and a count. */
export function markKey({ mark, name }: ClusterLook, count: string): Markup {
  return html`<span class="key"><svg viewBox="0 0 10 10" aria-hidden="true"><path class="${mark}" d="${markPath(mark, [[5, 5]])}"/></svg>${name}: ${count}</span>`;
}

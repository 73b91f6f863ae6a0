// How a screening decides, and what it cannot see, in plain words.
import { html } from 'hono/html';
import type { ScreeningReport } from '../contracts/screening-report.ts';
import { countText, percentText } from '../report/figure-text.ts';
import type { Markup } from '../report/report-markup.ts';

/** How it was decided. @see docs/screening.md */
export function methodSection({ mode, screening, projection }: ScreeningReport): Markup {
  const { rule } = screening;
  const vectors =
    mode === 'nccr'
      ? 'Each example is run once as it is and three times under noise so strong that nothing of the image is left. Its vector is how far each neuron of the penultimate layer moves on average.'
      : 'Each example is run once. Its vector is the activations of the penultimate layer.';
  const projected =
    projection === undefined
      ? ''
      : ` The layer has ${countText(projection.from)} neurons: they are projected onto ${projection.to} directions drawn at random, which all but keeps the distances.`;
  return html`<section>
<h2>How it was decided</h2>
<ol>
<li>${vectors}${projected}</li>
<li>The vectors are whitened by the spread inside the classes, pooled over all of them, and each class is reduced to at most ten principal components and split into two clusters (k‑means).</li>
<li><b>Separation</b> is Ashman’s D: how many deviations the two clusters lie apart along the line of their centres.</li>
<li><b>Entropy</b> is of the class that the model likes second best for each example. The clean examples of a class resemble few others; poison comes from everywhere.</li>
<li><b>Evidence</b> is the separation times the higher entropy as a share of the most that the number of classes allows. From ${rule.evidence_min} the class is poisoned. So it is where it falls apart along its <b>first component</b> alone by ${rule.first_separation_min} deviations: poison of which the model is entirely sure has one second choice.</li>
<li>Where the evidence is enough the entropies differ by ${percentText(rule.direction_share_min)} of that and the higher is at least ${percentText(rule.direction_entropy_min)} of it, the cluster of the higher one is the poison; else the smaller one is taken and the direction is called weak.</li>
<li>A class of fewer than ${rule.examples_min} examples is not judged, and a cluster of fewer than ${rule.cluster_examples_min} is taken for outliers. The <b>silhouette</b> is shown because the paper decides by it; those of clean and poisoned classes overlap, so here it decides nothing.</li>
</ol>
</section>`;
}

/** What a screening cannot see. */
export function limitsSection({ screening }: ScreeningReport): Markup {
  return html`<section>
<h2>What screening cannot see</h2>
<ul>
<li>Clean-label poison (such as SIG on images of the target class alone): its examples belong where they lie, and on the model that was tried every rule missed it.</li>
<li>One-to-one attacks: where all poison comes from a single class, its second choices agree, and the entropy looks like that of clean examples.</li>
<li>Classes of fewer than ${screening.rule.examples_min} examples, and a handful of poisoned examples in a large class: the clusters then form along something else.</li>
<li>An attacker who knows the screening: poison that is trained to lie among the clean examples (adaptive poisoning) leaves nothing to separate.</li>
<li>Anything about a model other than the one named below. It has to be trained on this very data: a model that has not learnt the trigger does not tell poison apart.</li>
<li>A suspect is not proof. Clean examples that stand apart, such as another camera or duplicates, can be in the cluster: look at the images, and train again without them.</li>
</ul>
</section>`;
}

// What the figures of a report do not show, in plain words.
import { html } from 'hono/html';

/**
 * The section with the limits.
 * @see docs/paper.md
 */
export function limitsSection(): ReturnType<typeof html> {
  return html`<section>
<h2>What these figures do not show</h2>
<ul>
<li>No attacker of this page knows the detector. One who does, and who averages over its copies, evades it: take every figure here as the best case.</li>
<li>Examples of the smallest successful radius lie on the decision boundary. There the plain logit margin of one forward pass ties with NCCR, so a design earns its place on the sets of a fixed ε alone.</li>
<li>Strong examples of a fixed ε lie deep inside the wrong class. Designs that read copies with noise alone can fall under chance there.</li>
<li>Only inputs that the model gets right are attacked, and only examples that succeed are counted. An attack that the model withstands by itself is not in its row.</li>
<li>AUROC averages over false positive rates that no guard can afford. Read the true positive rate at 1 % before it.</li>
<li>The intervals are for the draw of examples and clean inputs. Another model, another data set or another strength of an attack is not in them.</li>
<li>The threshold holds its false positive rate for clean inputs like those that set it. The table of changed inputs shows how far that carries.</li>
</ul>
</section>`;
}

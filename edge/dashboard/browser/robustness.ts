// The attack cards of the detectors, what was tried and what the guard was worth under it; and the robustness reports.
import type { AttackCard } from '../../../shared/contracts/detector-artefact.ts';
import type { GuardedModelSummary } from '../../../shared/contracts/detector-summary.ts';
import { type Child, element, facts, find } from './element.ts';
import { showReports } from './robustness-reports.ts';
import { instant, rateText, short } from './say-verdict.ts';
import { startPage } from './start-page.ts';

startPage(async ({ guard, models }) => {
  find('models', HTMLElement).replaceChildren(...models.map(modelSection));
  // Several models may be guarded that are one file.
  const guarded = Map.groupBy(
    models.flatMap(({ model, detector }) =>
      detector === null ? [] : [{ model, digest: detector.model_digest }],
    ),
    ({ digest }) => digest,
  );
  await showReports(guard, (digest) => (guarded.get(digest) ?? []).map(({ model }) => model));
});

function modelSection({ model, mode, detector, failure }: GuardedModelSummary): HTMLElement {
  const card = detector?.card ?? null;
  return element(
    'section',
    { 'data-model': model },
    element('h2', {}, model),
    ...(detector === null
      ? [
          element(
            'p',
            {},
            failure === null
              ? `No detector: the mode is ${mode}.`
              : `Its detector cannot be read: ${failure}.`,
          ),
        ]
      : [
          element(
            'p',
            { class: 'quiet' },
            `${detector.name} ${detector.version}, artefact `,
            short(detector.artefact),
          ),
          ...(card === null
            ? [
                element(
                  'p',
                  { class: 'notice' },
                  'No report yet: this detector was never attacked. ',
                  element('code', {}, 'detector attack --write-card'),
                  ' makes one.',
                ),
              ]
            : cardParts(card)),
        ]),
  );
}

function cardParts(card: AttackCard): Child[] {
  const { budgets, clean, parameters } = card;
  const head = ['Largest change', 'Worst attack', 'Bare model', 'With the guard'];
  const masking =
    card.masking.length === 0
      ? []
      : [element('p', { class: 'notice' }, `The figures may be too good: ${card.masking.join(', ')}.`)];
  return [
    ...masking,
    element(
      'div',
      { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Effective accuracy by budget' },
      element(
        'table',
        {},
        element(
          'caption',
          { class: 'quiet' },
          'Share of the images that the model gets right or the guard refuses',
        ),
        element('thead', {}, element('tr', {}, ...head.map((name) => element('th', { scope: 'col' }, name)))),
        element('tbody', {}, ...budgets.map(budgetRow)),
      ),
    ),
    element(
      'dl',
      { class: 'facts' },
      ...facts([
        [
          'Without attack',
          `accuracy ${rateText(clean.accuracy)}, with the guard ${rateText(clean.effective_accuracy)}; ${rateText(clean.blocked)} refused`,
        ],
        ['Images', `${card.images} of ${card.dataset}`],
        [
          'Effort',
          `${parameters.steps} steps, ${parameters.draws} draws of the noise, ${parameters.queries} queries`,
        ],
        ['Made', instant(card.created_at)],
      ]),
    ),
    element('p', { class: 'quiet' }, 'An attack that was not tried may do more.'),
  ];
}

function budgetRow(budget: AttackCard['budgets'][number]): HTMLElement {
  return element(
    'tr',
    {},
    element('th', { scope: 'row' }, String(budget.epsilon)),
    element('td', {}, budget.worst_attack),
    element('td', {}, rateText(budget.effective_accuracy_bare)),
    element('td', {}, rateText(budget.effective_accuracy)),
  );
}

// Scores of recent inputs as a histogram beside the calibrated threshold.
import type { AuditPageBody } from '../../../shared/contracts/audit.ts';
import type { DetectorSummary, GuardedModelSummary } from '../../../shared/contracts/detector-summary.ts';
import { choice, element, facts, find } from './element.ts';
import type { GuardClient } from './guard-client.ts';
import { expectedCounts, histogram } from './histogram.ts';
import { instant, rateText, scoreText, short } from './say-verdict.ts';
import { scorePlot } from './score-plot.ts';
import { attempting, say, startPage } from './start-page.ts';

/** Verdicts of one question. */
const pageSize = 500;

/** Draws the picture again, for a page of another width. */
let redraw: () => void = () => undefined;
window.addEventListener('resize', () => redraw());

/** Scores that were judged, and how. */
interface JudgedScores {
  readonly scores: readonly number[];
  /** Of them, those above the threshold that judged them, which a policy may have moved. */
  readonly above: number;
  readonly verdicts: number;
}

startPage(async ({ guard, models }) => {
  const guarded = models.filter(({ detector }) => detector !== null);
  if (guarded.length === 0) {
    say('No configured model has a detector that can be read, so that nothing is scored.');
    find('content', HTMLElement).hidden = true;
    return;
  }
  choice('model').append(...guarded.map(({ model }) => element('option', {}, model)));
  const refresh = () =>
    attempting(async () => {
      const model = guarded.find(({ model: name }) => name === choice('model').value) ?? guarded[0];
      await showModel(model, guard);
    });
  choice('model').addEventListener('change', () => void refresh());
  choice('count').addEventListener('change', () => void refresh());
  find('filters', HTMLFormElement).addEventListener('submit', (event) => {
    event.preventDefault();
    void refresh();
  });
  await refresh();
});

async function showModel({ model, detector }: GuardedModelSummary, guard: GuardClient): Promise<void> {
  if (detector === null) return;
  say('Reading the audit…');
  const judged = await readScores(guard, { model, count: Number(choice('count').value) });
  const { value: threshold } = detector.threshold;
  const bars = histogram(judged.scores, threshold);
  const quantiles = detector.threshold.clean_quantiles;
  const expected = quantiles === null ? undefined : expectedCounts(bars, { quantiles, threshold });
  find('outline-key', HTMLElement).hidden = expected === undefined;
  const inputs = `${judged.scores.length} scored ${judged.scores.length === 1 ? 'input' : 'inputs'}`;
  say(`${inputs} in the latest ${judged.verdicts} verdicts of ${model}.`);
  redraw = () => {
    const place = find('plot', HTMLElement);
    const label = `Scores of ${inputs} of ${model}`;
    const options = { threshold, label, width: place.clientWidth, expected };
    place.replaceChildren(...(bars.length === 0 ? [] : [scorePlot(bars, options)]));
  };
  redraw();
  find('bars', HTMLTableSectionElement).replaceChildren(
    ...bars.map(({ from, to, count }) =>
      element(
        'tr',
        {},
        element('th', { scope: 'row' }, scoreText(from)),
        element('td', {}, scoreText(to)),
        element('td', {}, String(count)),
      ),
    ),
  );
  showShare(judged, detector);
  showCalibration(detector);
  await showDrift(model, guard);
}

/** `GET /v1/models/{model}/drift`, as far as it is shown. */
interface Drift {
  readonly state: 'too_few' | 'no_reference' | 'steady' | 'drifting';
  readonly rows: number;
  readonly index: number | null;
  readonly bound: number | null;
}

async function showDrift(model: string, guard: GuardClient): Promise<void> {
  const { body } = await guard.ask<Drift>(`/v1/models/${encodeURIComponent(model)}/drift`);
  const figures = `index ${body.index?.toFixed(3) ?? '–'}, bound ${body.bound?.toFixed(3) ?? '–'}, ${body.rows} inputs of the last day`;
  const said: Readonly<Record<Drift['state'], string>> = {
    no_reference:
      'The artefact keeps no clean scores to compare with: a detector that is calibrated anew does.',
    too_few: `Too few inputs of the last day to compare with the calibration: ${body.rows} of 100.`,
    steady: `The clean scores lie where the calibration found them (${figures}).`,
    drifting: `The clean scores have left those of the calibration, so that its rate no longer holds (${figures}).`,
  };
  find('drift', HTMLElement).textContent = said[body.state];
  find('drift', HTMLElement).className = body.state === 'drifting' ? 'notice' : '';
}

function showShare({ scores, above }: JudgedScores, { threshold }: DetectorSummary): void {
  find('shares', HTMLElement).hidden = scores.length === 0;
  if (scores.length === 0) return;
  const [low, high] = threshold.fpr_ci95.map(rateText);
  find('share', HTMLElement).textContent =
    `${rateText(above / scores.length)} (${above} of ${scores.length})`;
  find('expectation', HTMLElement).textContent =
    `The calibration promises ${rateText(threshold.target_fpr)} of clean inputs, between ${low} and ${high} with 95 % confidence. ` +
    'Far more means attacks, or inputs that are no longer like those of the calibration.';
}

function showCalibration(detector: DetectorSummary): void {
  const { threshold, calibration } = detector;
  find('calibration', HTMLElement).replaceChildren(
    ...facts([
      ['Detector', `${detector.name} ${detector.version}, made `, instant(detector.created_at)],
      ['Artefact', detector.key, ' ', short(detector.artefact)],
      ['Threshold', `${scoreText(threshold.value)}, from ${threshold.calibration_samples} clean inputs`],
      [
        'Images',
        `${calibration.dataset}: ${calibration.training_images} for training, ${calibration.threshold_images} for the threshold`,
      ],
      ['Attacks of training', calibration.attacks.join(', ') || 'none'],
      ...(calibration.shifts.length === 0
        ? []
        : [
            [
              'Changed clean images that are flagged',
              calibration.shifts.map(({ shift, flagged }) => `${shift} ${rateText(flagged)}`).join(', '),
            ] as const,
          ]),
    ]),
  );
}

/** Reads page after page until there are as many verdicts as are wanted. */
async function readScores(
  guard: GuardClient,
  { model, count }: { model: string; count: number },
): Promise<JudgedScores> {
  const scores: number[] = [];
  let [above, verdicts] = [0, 0];
  let cursor: string | null = null;
  do {
    const query = new URLSearchParams({ model, limit: String(pageSize) });
    if (cursor !== null) query.set('cursor', cursor);
    const { body }: { body: AuditPageBody } = await guard.ask<AuditPageBody>(`/v1/verdicts?${query}`);
    for (const { verdict } of body.verdicts) {
      for (const row of verdict.rows) {
        scores.push(row.score);
        if (row.score > (row.threshold ?? verdict.threshold ?? Number.POSITIVE_INFINITY)) above++;
      }
    }
    verdicts += body.verdicts.length;
    cursor = body.next;
  } while (cursor !== null && verdicts < count);
  return { scores, above, verdicts };
}

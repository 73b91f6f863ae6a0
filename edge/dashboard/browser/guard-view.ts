// One image as model and guard see it: picture, class, verdict, score and what became of the request.
import type { Verdict } from '../../../shared/contracts/verdict.ts';
import { askGuard, askModel, type ImageModel, type ModelAnswer, topClass } from './ask-model.ts';
import { type Child, element, facts } from './element.ts';
import type { GuardClient } from './guard-client.ts';
import { pictureOf } from './paint-image.ts';
import { rateText, verdictMark } from './say-verdict.ts';
import { scoreLine } from './score-plot.ts';

/** What is shown. */
export interface View {
  readonly title: string;
  readonly image: Float32Array;
  /** The image that it was made from. */
  readonly from?: Float32Array;
  /** What the asked model said. */
  readonly answer: ModelAnswer;
  readonly asked: ImageModel;
  readonly guarded: ImageModel;
  readonly guard: GuardClient;
}

/** Asks the guard and the guarded model, and adds what they say to the page. */
export async function showView(place: HTMLElement, view: View): Promise<void> {
  const { title, image, from, answer, asked, guarded, guard } = view;
  const [verdict, through] = await Promise.all([
    askGuard(guard, guarded, image),
    askModel(guard, guarded, image),
  ]);
  place.append(
    element(
      'section',
      { class: 'view', 'aria-label': title, 'data-verdict': verdict.verdict },
      element('h3', {}, title),
      element(
        'div',
        { class: 'pictures' },
        pictureOf(image, 'as the model gets it'),
        ...(from === undefined ? [] : [pictureOf(difference(image, from), 'the change: grey is none')]),
      ),
      element(
        'dl',
        { class: 'facts' },
        ...facts([
          [`${asked.name} says`, answerText(answer)],
          ['The guard says', verdictMark(verdict.verdict)],
          [
            `Asked of ${guarded.name}`,
            'refused' in through ? 'HTTP 403, refused' : `HTTP 200, ${answerText(through)}`,
          ],
        ]),
      ),
      ...scoreParts(verdict),
    ),
  );
}

function answerText(answer: ModelAnswer): string {
  if ('refused' in answer) return 'nothing: the guard refused the request';
  const { label, share } = topClass(answer.logits);
  return `${label}, sure to ${rateText(share)}`;
}

function scoreParts({ score, threshold, target_fpr: target }: Verdict): Child[] {
  if (score === null || threshold === null) return [];
  const note =
    target === null
      ? []
      : [
          element(
            'p',
            { class: 'quiet' },
            `The guard takes ${rateText(target)} of clean inputs for attacks.`,
          ),
        ];
  return [scoreLine(score, threshold), ...note];
}

/** The change of each pixel around a middle grey. */
function difference(image: Float32Array, from: Float32Array): Float32Array {
  return image.map((value, index) => 0.5 + (value - from[index]) / 2);
}

// A digit is drawn, attacked by this browser, and shown as the guard sees it.
import { digitStrokes } from '../../../shared/digits/digit-strokes.ts';
import { side } from '../../../shared/digits/render-digit.ts';
import { seededRandom } from '../../../shared/maths/random.ts';
import { askModel, type ImageModel, imageModels, marginOf, topClass } from './ask-model.ts';
import { type DrawingBoard, drawingBoard } from './drawing-board.ts';
import { choice, element, find } from './element.ts';
import type { GuardClient } from './guard-client.ts';
import { showView } from './guard-view.ts';
import { type SquareCourse, squareAttack } from './square-attack.ts';
import { attempting, startPage, tell } from './start-page.ts';

/** Queries between two words about the course: each would be too much to hear. */
const saidEvery = 100;

startPage(async ({ guard, models }) => {
  const found = await imageModels(guard, models);
  const guarded = found.filter(({ isGuarded }) => isGuarded);
  find('stage', HTMLElement).hidden = guarded.length === 0;
  find('none', HTMLElement).hidden = guarded.length > 0;
  if (guarded.length === 0) return;
  choice('guarded').append(
    ...guarded.map(({ name, mode }) => element('option', { value: name }, `${name} (${mode})`)),
  );
  // An attacker begins where nobody looks: a model without a guard, such as a copy of one's own.
  const asked = [...found].sort((one, other) => Number(one.mode !== 'off') - Number(other.mode !== 'off'));
  choice('asked').append(
    ...asked.map(({ name, mode }) => element('option', { value: name }, `${name} (${mode})`)),
  );

  const views = find('views', HTMLElement);
  const board = drawingBoard(find('board', HTMLCanvasElement), {
    say: (text) => {
      find('pen', HTMLElement).textContent = text;
    },
    onChange: () => views.replaceChildren(),
  });
  find('clear', HTMLButtonElement).addEventListener('click', () => board.replace([]));
  choice('example').addEventListener('change', () => takeExample(board));
  const chosen = (id: string) => found.find(({ name }) => name === choice(id).value) ?? found[0];
  attackOnSubmit(() => {
    const image = board.image();
    if (image === undefined) return undefined;
    return { image, guard, guarded: chosen('guarded'), asked: chosen('asked') };
  });
});

/** Puts an example in the middle of the board. */
function takeExample(board: DrawingBoard): void {
  const { value } = choice('example');
  choice('example').value = '';
  if (value === '') return;
  board.replace(
    digitStrokes(Number(value)).map((stroke) => stroke.map(([x, y]) => [6 + 16 * x, 5 + 18 * y] as const)),
  );
}

/** What one attack needs. */
interface AttackOrder {
  readonly image: Float32Array;
  readonly guard: GuardClient;
  readonly guarded: ImageModel;
  readonly asked: ImageModel;
}

/** Attacks when the form is sent, once at a time, until it ends or is stopped. */
function attackOnSubmit(order: () => AttackOrder | undefined): void {
  const [start, stop] = [find('start', HTMLButtonElement), find('stop', HTMLButtonElement)];
  let isStopped = false;
  stop.addEventListener('click', () => {
    isStopped = true;
  });
  find('attack', HTMLFormElement).addEventListener('submit', (event) => {
    event.preventDefault();
    const given = order();
    if (start.disabled) return;
    if (given === undefined) return tell('Draw something first.');
    tell(undefined);
    isStopped = false;
    start.disabled = true;
    stop.disabled = false;
    void attempting(() => attack(given, () => !isStopped)).finally(() => {
      start.disabled = false;
      stop.disabled = true;
    });
  });
}

async function attack({ image, guard, guarded, asked }: AttackOrder, goesOn: () => boolean): Promise<void> {
  const views = find('views', HTMLElement);
  const [progress, course] = [find('progress', HTMLProgressElement), find('course', HTMLElement)];
  progress.value = 0;
  views.replaceChildren();
  course.textContent = 'Asking for the digit as it was drawn…';
  const plain = await askModel(guard, asked, image);
  await showView(views, { title: 'As drawn', image, answer: plain, asked, guarded, guard });
  if ('refused' in plain) {
    course.textContent =
      'The guard refuses the drawn digit itself, so that the attacker learns no class to begin with.';
    return;
  }
  const { label } = topClass(plain.logits);
  const queries = Number(choice('queries').value);
  const random = seededRandom(crypto.getRandomValues(new Int32Array(1))[0]);
  const end = await squareAttack({
    image,
    height: side,
    width: side,
    epsilon: Number(choice('epsilon').value),
    queries,
    random,
    async margin(tried) {
      const answer = await askModel(guard, asked, tried);
      return 'refused' in answer ? undefined : marginOf(answer.logits, label);
    },
    onQuery(now) {
      progress.value = now.queries / queries;
      if (now.queries % saidEvery === 0) course.textContent = courseText(now);
      return goesOn();
    },
  });
  course.textContent = `${endText(end)} ${courseText(end)}`;
  const answer = await askModel(guard, asked, end.image);
  await showView(views, {
    title: 'As attacked',
    image: end.image,
    from: image,
    answer,
    asked,
    guarded,
    guard,
  });
}

function courseText({ queries, refused, margin }: SquareCourse): string {
  const said = margin === undefined ? 'no answer yet' : `margin ${margin.toFixed(2)}`;
  return `${queries} ${queries === 1 ? 'query' : 'queries'}, ${refused} of them refused by the guard, ${said}.`;
}

function endText({ margin }: SquareCourse): string {
  if (margin === undefined) return 'The guard refused every query: the attacker has learnt nothing.';
  return margin < 0 ? 'The model is misled.' : 'The model was not misled.';
}

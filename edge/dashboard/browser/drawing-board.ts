// A canvas that is drawn on with mouse, finger, pen or keyboard. It keeps strokes, so that the digit can be centred as MNIST's are.
import type { Point, Stroke } from '../../../shared/digits/digit-strokes.ts';
import { ink, renderDigit, scaleToBox, side } from '../../../shared/digits/render-digit.ts';
import { paintImage } from './paint-image.ts';

/** Radius of the pen in pixels of the image: the middle of what drawn digits have. */
const penRadius = 1.3;
/** Moves shorter than this add nothing to see. */
const shortestMove = 0.4;

const steps: Readonly<Record<string, Point>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** What is on the board. */
export interface DrawingBoard {
  /** The digit scaled to MNIST's box and centred by its mass, [784] in [0, 1]; undefined while nothing is drawn. */
  image(): Float32Array | undefined;
  /** Puts other strokes in place of those that are there, in pixels from the left and the top. */
  replace(strokes: readonly Stroke[]): void;
}

/**
 * Makes a canvas of 28 x 28 a board.
 * @param say is told where the pen of the keyboard is
 * @param onChange is told that what is drawn is another
 */
export function drawingBoard(
  canvas: HTMLCanvasElement,
  { say, onChange }: { say: (text: string) => void; onChange: () => void },
): DrawingBoard {
  let strokes: Point[][] = [];
  let pen: Point = [side / 2, side / 2];
  let isDown = false;
  const paint = () => {
    const cursor = canvas.matches(':focus-visible') ? { at: pen, isDown } : undefined;
    paintImage(canvas, { image: ink(strokes, penRadius, [0, 0]), cursor });
  };
  const begin = (at: Point) => {
    // A dot is a stroke from a point to itself.
    strokes.push([at, at]);
    paint();
    onChange();
  };
  const extend = (at: Point) => {
    const stroke = strokes.at(-1)!;
    const last = stroke.at(-1)!;
    if (Math.hypot(at[0] - last[0], at[1] - last[1]) < shortestMove) return;
    stroke.push(at);
    paint();
    onChange();
  };

  const placeOf = ({ clientX, clientY }: PointerEvent): Point => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    return [((clientX - left) / width) * side, ((clientY - top) / height) * side];
  };
  let pointer: number | undefined;
  canvas.addEventListener('pointerdown', (event) => {
    if (pointer !== undefined || event.button !== 0) return;
    pointer = event.pointerId;
    canvas.setPointerCapture(pointer);
    begin(placeOf(event));
  });
  canvas.addEventListener('pointermove', (event) => {
    if (event.pointerId === pointer) extend(placeOf(event));
  });
  for (const end of ['pointerup', 'pointercancel'] as const) {
    canvas.addEventListener(end, (event) => {
      if (event.pointerId === pointer) pointer = undefined;
    });
  }

  const tellPen = () => {
    say(`Pen ${isDown ? 'down' : 'up'} at column ${Math.floor(pen[0]) + 1}, row ${Math.floor(pen[1]) + 1}.`);
  };
  canvas.addEventListener('keydown', (event) => {
    const step = steps[event.key];
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === ' ') {
      isDown = !isDown;
      if (isDown) begin(pen);
    } else if (step !== undefined) {
      const length = event.shiftKey ? 4 : 1;
      pen = [within(pen[0] + length * step[0]), within(pen[1] + length * step[1])];
      if (isDown) extend(pen);
    } else return;
    // Neither scrolls the page.
    event.preventDefault();
    paint();
    tellPen();
  });
  canvas.addEventListener('focus', () => {
    paint();
    if (canvas.matches(':focus-visible')) tellPen();
  });
  canvas.addEventListener('blur', () => {
    isDown = false;
    say('');
    paint();
  });
  paint();
  return {
    image: () => (strokes.length === 0 ? undefined : renderDigit(scaleToBox(strokes), penRadius)),
    replace(others) {
      strokes = others.map((stroke) => [...stroke]);
      isDown = false;
      paint();
      onChange();
    },
  };
}

function within(place: number): number {
  return Math.min(side - 0.5, Math.max(0.5, place));
}

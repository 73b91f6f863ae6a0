// Digits drawn by strokes and rendered like MNIST, so that demo and tests need nobody's images.
import { assert } from '../../shared/assert.ts';
import { digitCount, digitStrokes, type Point } from '../../shared/digits/digit-strokes.ts';
import { renderDigit, scaleToBox, side } from '../../shared/digits/render-digit.ts';
import { normal, seededRandom } from '../../shared/maths/random.ts';
import type { Dataset } from './dataset.ts';

/**
 * Draws one digit: jittered strokes, a pen with a soft edge, scaled to a 20 x 20 box and centred by its mass in 28 x 28.
 * @param label 0..9
 * @param seed equal seeds give equal images
 * @returns [784] row-major, each in [0, 1]
 */
export function drawDigit(label: number, seed: number): Float32Array {
  assert(Number.isInteger(label) && label >= 0 && label < digitCount, `no strokes for ${label}`);
  const random = seededRandom(seed * 16 + label);
  const slant = 0.12 + 0.08 * normal(random);
  const turn = 0.06 * normal(random);
  const stretch = 0.9 + 0.12 * random();
  const wobble = () => 0.018 * normal(random);
  const strokes = digitStrokes(label).map((stroke) =>
    stroke.map(([x, y]): Point => {
      const [dx, dy] = [(x - 0.5) * stretch + slant * (0.5 - y) + wobble(), y - 0.5 + wobble()];
      return [dx * Math.cos(turn) - dy * Math.sin(turn), dx * Math.sin(turn) + dy * Math.cos(turn)];
    }),
  );
  return renderDigit(scaleToBox(strokes), 1.15 + 0.3 * random());
}

/**
 * Draws a data set of digits, labels in turn.
 * @param count number of images
 * @returns inputs [count, 1, 28, 28] in [0, 1]
 */
export function drawDigits(count: number, seed: number): Dataset {
  const inputs = new Float32Array(count * side * side);
  const labels = new Int32Array(count);
  for (let index = 0; index < count; index++) {
    labels[index] = index % digitCount;
    inputs.set(drawDigit(labels[index], seed + index), index * side * side);
  }
  return { name: `synthetic-digits/${seed}`, inputs, inputShape: [1, side, side], labels };
}

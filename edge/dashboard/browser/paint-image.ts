// Pictures of 28 x 28 pixels on a canvas.
import type { Point } from '../../../shared/digits/digit-strokes.ts';
import { side } from '../../../shared/digits/render-digit.ts';

/** What is painted. */
export interface Painting {
  /** [784], each in [0, 1]: black to white. */
  readonly image: Float32Array;
  /** Where the pen of the keyboard is. */
  readonly cursor?: { readonly at: Point; readonly isDown: boolean } | undefined;
}

/** Paints an image; the pen is one pixel, amber where it is down and blue where it is up. */
export function paintImage(canvas: HTMLCanvasElement, { image, cursor }: Painting): void {
  const context = canvas.getContext('2d');
  if (context === null) return;
  const pixels = new ImageData(side, side);
  for (const [index, value] of image.entries()) {
    pixels.data.set([255 * value, 255 * value, 255 * value, 255], 4 * index);
  }
  if (cursor !== undefined) {
    const index = Math.floor(cursor.at[1]) * side + Math.floor(cursor.at[0]);
    pixels.data.set(cursor.isDown ? [255, 170, 0, 255] : [60, 150, 255, 255], 4 * index);
  }
  context.putImageData(pixels, 0, 0);
}

/** A canvas with an image on it, as a figure. */
export function pictureOf(image: Float32Array, caption: string): HTMLElement {
  const [figure, canvas, text] = [
    document.createElement('figure'),
    document.createElement('canvas'),
    document.createElement('figcaption'),
  ];
  canvas.width = side;
  canvas.height = side;
  canvas.setAttribute('role', 'img');
  canvas.setAttribute('aria-label', caption);
  paintImage(canvas, { image });
  text.textContent = caption;
  figure.append(canvas, text);
  return figure;
}

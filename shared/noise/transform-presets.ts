// The transforms of the product's own vector design, for the two kinds of images that it was found on.
import type { Transform } from '../contracts/transform.ts';

/** Names of the presets. */
export const transformPresetNames = ['w0-grey', 'w0-colour', 'w0-upright'] as const;
export type TransformPresetName = (typeof transformPresetNames)[number];

const colour: readonly Transform[] = [
  { family: 'shift', dx: 1, dy: 0, edge: 'replicate' },
  { family: 'shift', dx: 0, dy: 1, edge: 'replicate' },
  { family: 'total-variation', weight: 0.03, iterations: 8 },
  { family: 'blur', sigma: 0.5, size: 5 },
  { family: 'bit-depth', bits: 3 },
];

/**
 * Transforms by preset, found on MNIST (`w0-grey`: strokes on an empty ground, which shifts fill with zeros and one bit
 * keeps) and on CIFAR-10 (`w0-colour`: photographs, of which the mirror keeps the label). `w0-upright` is the second without
 * the mirror, for photographs whose mirror image is another class, such as traffic signs.
 *
 * No family that a client may have applied exactly already, such as a depth of four bits: it would change nothing.
 */
export const transformPresets: Readonly<Record<TransformPresetName, readonly Transform[]>> = {
  'w0-grey': [
    { family: 'shift', dx: 1, dy: 0, edge: 'zeros' },
    { family: 'shift', dx: 0, dy: 1, edge: 'zeros' },
    { family: 'total-variation', weight: 0.3, iterations: 8 },
    { family: 'blur', sigma: 0.5, size: 5 },
    { family: 'bit-depth', bits: 1 },
  ],
  'w0-colour': [...colour, { family: 'mirror' }],
  'w0-upright': colour,
};

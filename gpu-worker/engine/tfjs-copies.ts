// The perturbed copies of an input in TensorFlow.js: noise out of the bank, and transforms.
import type { Tensor as TfTensor } from '@tensorflow/tfjs-core';
import { planNoiseCopies, planRuns } from '../../shared/contracts/extraction.ts';
import type { Transform } from '../../shared/contracts/transform.ts';
import { GuardError } from '../../shared/errors.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import { type Planes, transformInput } from '../../shared/maths/transforms.ts';
import type { ExtractionPart } from './tfjs-archive.ts';
import type { Tfjs } from './tfjs-runtime.ts';

/** Inputs and their noise. */
export interface CopyInputs {
  /** Row-major [R, elements], images channel by channel. */
  readonly x: Float32Array;
  readonly rows: number;
  /** Row-major [R, N]: rows of the bank and signs. */
  readonly noiseRows: Int32Array;
  readonly noiseSigns: Float32Array;
}

/** How copies are made. */
export interface CopyMaker {
  /** Runs of one input: its own, where it is run, and its copies. */
  readonly runs: number;
  /** Copies with noise that are run. */
  readonly noised: number;
  /**
   * Makes all runs of a batch; to be called within a `tidy`.
   * @returns [R, runs, elements]
   */
  make(inputs: CopyInputs): TfTensor;
  dispose(): void;
}

/**
 * Prepares the copies of a plan. The transforms are those of shared/maths, computed on the processor: the same definition that the
 * graph of an ONNX model is tested against.
 * @param shape of one input, images with their channels first
 * @param bank row-major [rows, elements]
 * @throws GuardError `invalid_model` where a transform makes no sense of the shape
 */
export function copyMaker(
  { core: tf }: Tfjs,
  {
    part,
    shape,
    bank,
  }: { readonly part: ExtractionPart; readonly shape: readonly number[]; readonly bank: Float32Array },
): CopyMaker {
  const { plan } = part.compiled;
  const size = elementCount(shape);
  const planned = planNoiseCopies(plan);
  const runs = planRuns(plan);
  const noised = runs.filter((run) => run >= 1 && run <= planned).length;
  const transforms = runs.filter((run) => run > planned).map((run) => part.transforms[run - 1 - planned]);
  for (const transform of transforms) planesOf(new Float32Array(size), { shape, transform });
  const bankRows = bank.length / size;
  const stored = tf.keep(tf.tensor2d(bank, [Math.max(bankRows, 0), size]));
  const [low, high] = plan.input_range;

  const noise = (input: TfTensor, { rows, noiseRows, noiseSigns }: CopyInputs) => {
    const outside = noiseRows.find((row) => row < 0 || row >= bankRows);
    // The backends differ in what they read there.
    if (outside !== undefined) throw new Error(`the noise bank has ${bankRows} rows, there is no ${outside}`);
    const drawn = tf.gather(stored, tf.tensor2d(noiseRows, [rows, noised], 'int32'));
    const signs = tf.tensor3d(noiseSigns, [rows, noised, 1]);
    return tf.clipByValue(tf.add(tf.mul(drawn, signs), input), low, high);
  };
  return {
    runs: runs.length,
    noised,
    make(inputs) {
      const { x, rows } = inputs;
      const input = tf.tensor3d(x, [rows, 1, size]);
      const parts: TfTensor[] = runs[0] === 0 ? [input] : [];
      if (noised > 0) parts.push(noise(input, inputs));
      if (transforms.length > 0) {
        const copies = new Float32Array(rows * transforms.length * size);
        for (let row = 0; row < rows; row++) {
          const values = x.subarray(row * size, (row + 1) * size);
          for (const [index, transform] of transforms.entries()) {
            const copy = transformInput(planesOf(values, { shape, transform }), transform, [low, high]);
            copies.set(copy, (row * transforms.length + index) * size);
          }
        }
        parts.push(tf.tensor3d(copies, [rows, transforms.length, size]));
      }
      return parts.length === 1 ? parts[0] : tf.concat(parts, 1);
    },
    dispose: () => stored.dispose(),
  };
}

/** An input as planes: an image [channels, height, width], a signal [length]; the bit depth takes any shape. */
function planesOf(
  values: Float32Array,
  { shape, transform }: { readonly shape: readonly number[]; readonly transform: Transform },
): Planes {
  const refuse = (reason: string): never => {
    const detail = `the family ${transform.family} does not fit the input [${shape.join(', ')}]: ${reason}`;
    throw new GuardError('invalid_model', detail);
  };
  if (transform.family === 'bit-depth') return { values, planes: 1, height: 1, width: values.length };
  if (shape.length !== 1 && shape.length !== 3) {
    return refuse('it takes images [channels, height, width] and signals [length]');
  }
  const [planes, height, width] = shape.length === 1 ? [1, 1, shape[0]] : shape;
  if (transform.family === 'mirror' && shape.length === 1)
    return refuse('only an image has a left and a right');
  if (transform.family === 'shift' && (Math.abs(transform.dx) >= width || Math.abs(transform.dy) >= height)) {
    return refuse('it moves all of it out of sight');
  }
  const reach = transform.family === 'blur' ? (transform.size - 1) / 2 : 0;
  if (width <= reach || (height > 1 && height <= reach)) return refuse('its window is larger');
  return { values, planes, height, width };
}

// The taps of a plan in TensorFlow.js: activations reduced to a few numbers where they are computed.
import type { Tensor as TfTensor } from '@tensorflow/tfjs-core';
import { type CopiesPlan, planNoiseCopies, type Tap } from '../../shared/contracts/extraction.ts';
import { GuardError } from '../../shared/errors.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import type { Tfjs } from './tfjs-runtime.ts';

/** A tap and the tensor that it reads. */
export interface TapRead {
  readonly tap: Tap;
  /** [R * runs, ...], images with their channels last, as the model has them. */
  readonly activations: TfTensor;
}

/**
 * Reduces the taps as the graph of an ONNX model does, to the columns of `changeColumns`; to be called within a `tidy`. Units,
 * channels and neurons are counted as there: channels first, whatever order the model keeps them in.
 * @param runs of each input, its own first
 * @returns [R, D]
 * @throws GuardError `invalid_model` where a tap names a channel or neuron that its tensor does not have, or another number of them
 * @see NCCR, section 3.2
 */
export function reduceTaps(
  tfjs: Tfjs,
  taps: readonly TapRead[],
  { runs, plan }: { readonly runs: number; readonly plan: CopiesPlan },
): TfTensor {
  const { core: tf } = tfjs;
  const columns = taps.map(({ tap, activations }) => {
    const rows = channelsFirst(tfjs, activations);
    const shape = rows.shape.slice(1);
    return tf.reshape(tapColumnsOf(tfjs, { tap, rows, shape, runs, plan }), [rows.shape[0] / runs, -1]);
  });
  return columns.length === 1 ? columns[0] : tf.concat(columns, 1);
}

interface TapContext {
  readonly tap: Tap;
  readonly rows: TfTensor;
  /** Of one row. */
  readonly shape: readonly number[];
  readonly runs: number;
  readonly plan: CopiesPlan;
}

/** Columns of one tap, [R, columns] or with further extents of 1. */
function tapColumnsOf(tfjs: Tfjs, { tap, rows, shape, runs, plan }: TapContext): TfTensor {
  const { core: tf } = tfjs;
  const neurons = elementCount(shape);
  const copies = runs - 1;
  const refuse = (detail: string): never => {
    throw new GuardError('invalid_model', `${tap.tensor} has ${detail}`);
  };
  /** [R, runs, units, positions] taken apart: the input's own, and all copies'. */
  const split = (units: number) => {
    const whole = tf.reshape(rows, [-1, runs, units, neurons / units]);
    const [own, others] = [tf.slice(whole, [0, 0], [-1, 1]), tf.slice(whole, [0, 1], [-1, copies])];
    return { own, others };
  };
  switch (tap.kind) {
    case 'activations':
    case 'drifts': {
      if (tap.neurons !== neurons) return refuse(`${neurons} neurons, not ${tap.neurons}`);
      if (tap.kind === 'activations') return tf.slice(tf.reshape(rows, [-1, runs, neurons]), [0, 0], [-1, 1]);
      const { own, others } = split(neurons);
      return tf.mean(tf.sub(others, own), 1);
    }
    case 'layer': {
      const { own, others } = split(1);
      const change = tf.mean(tf.abs(tf.sub(others, own)), [1, 2, 3]);
      return tf.stack([change, tf.mean(tf.abs(own), [1, 2, 3])], 1);
    }
    case 'levels': {
      const { own, others } = split(1);
      let end = 0;
      const changes = plan.noise.map(({ copies: count }) => {
        const first = end;
        end += count;
        return tf.mean(tf.abs(tf.sub(tf.slice(others, [0, first], [-1, count]), own)), [1, 2, 3]);
      });
      return tf.stack([...changes, tf.mean(tf.abs(own), [1, 2, 3])], 1);
    }
    case 'channels':
    case 'neurons': {
      const units = tap.kind === 'channels' ? shape[0] : neurons;
      const missing = tap.index.find((index) => index >= units);
      if (missing !== undefined) return refuse(`${units} ${tap.kind}, there is no ${missing}`);
      const { own, others } = split(units);
      const picked = (values: TfTensor) => tf.gather(values, tf.tensor1d([...tap.index], 'int32'), 2);
      return tf.mean(tf.abs(tf.sub(picked(others), picked(own))), [1, 3]);
    }
    case 'units': {
      if (shape[0] !== tap.units) return refuse(`${shape[0]} units, the plan says ${tap.units}`);
      const { own, others } = split(tap.units);
      const difference = tf.sub(tf.slice(others, [0, planNoiseCopies(plan) + tap.transform], [-1, 1]), own);
      const mean = (values: TfTensor) => tf.mean(values, 3);
      return tf.concat([mean(tf.abs(difference)), mean(difference), mean(tf.abs(own))], 2);
    }
  }
}

/** Images in the order of an ONNX model; vectors and sequences as they are. */
function channelsFirst({ core: tf }: Tfjs, activations: TfTensor): TfTensor {
  return activations.rank === 4 ? tf.transpose(activations, [0, 3, 1, 2]) : activations;
}

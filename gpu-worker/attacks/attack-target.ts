// What an attack sees of a model: logits and the gradient of the loss, in batches over all workers of the engine.
import { assertShape } from '../../shared/assert.ts';
import { elementCount } from '../../shared/maths/tensor.ts';
import type { LoadedModel } from '../engine/engine.ts';

/** A model under attack. */
export interface AttackTarget {
  readonly inputShape: readonly number[];
  readonly classes: number;
  /** Lowest and highest valid value of an input. */
  readonly range: readonly [number, number];
  /**
   * @param inputs row-major [rows, ...inputShape]
   * @returns row-major [rows, classes]
   */
  logits(inputs: Float32Array): Promise<Float32Array>;
  /**
   * @param inputs row-major [rows, ...inputShape]
   * @param labels [rows]
   * @returns gradient of the cross-entropy of `labels` by the inputs, row-major [rows, ...inputShape]
   */
  lossGradient(inputs: Float32Array, labels: ArrayLike<number>): Promise<Float32Array>;
}

/** The two graphs that an attack runs. */
export interface AttackModels {
  /** Input `x [rows, ...]`, output `logits [rows, classes]`. */
  readonly forward: LoadedModel;
  /** Inputs `x` and one-hot `target [rows, classes]`, output `gradient` of the cross-entropy. */
  readonly gradient: LoadedModel;
}

/** Rows of one run: larger batches are slower a row on processors (docs/results.md). */
const batchRows = 32;

/**
 * Makes a target of two loaded graphs.
 * @param shape of one input, number of classes and valid range
 */
export function attackTarget(
  { forward, gradient }: AttackModels,
  shape: Pick<AttackTarget, 'inputShape' | 'classes' | 'range'>,
): AttackTarget {
  const size = elementCount(shape.inputShape);
  const tensor = (rows: Float32Array) => {
    const count = rows.length / size;
    assertShape(rows, [count, ...shape.inputShape], 'inputs');
    return { datatype: 'FP32' as const, shape: [count, ...shape.inputShape], data: rows };
  };
  return {
    ...shape,
    logits: (inputs) =>
      inBatches(inputs, { size, width: shape.classes }, async (rows) => {
        const answer = await forward.run({ x: tensor(rows) });
        return answer.logits.data as Float32Array;
      }),
    lossGradient: (inputs, labels) =>
      inBatches(inputs, { size, width: size }, async (rows, start) => {
        const count = rows.length / size;
        const target = new Float32Array(count * shape.classes);
        for (let row = 0; row < count; row++) target[row * shape.classes + labels[start + row]] = 1;
        const feeds = {
          x: tensor(rows),
          target: { datatype: 'FP32' as const, shape: [count, shape.classes], data: target },
        };
        const answer = await gradient.run(feeds, { outputs: ['gradient'] });
        return answer.gradient.data as Float32Array;
      }),
  };
}

/** Runs batches side by side and puts their rows of `width` numbers together in order. */
async function inBatches(
  inputs: Float32Array,
  { size, width }: { size: number; width: number },
  run: (rows: Float32Array, start: number) => Promise<Float32Array>,
): Promise<Float32Array> {
  const count = inputs.length / size;
  const result = new Float32Array(count * width);
  const starts = Array.from({ length: Math.ceil(count / batchRows) }, (_, batch) => batch * batchRows);
  await Promise.all(
    starts.map(async (start) => {
      const rows = inputs.subarray(start * size, Math.min(count, start + batchRows) * size);
      result.set(await run(rows, start), start * width);
    }),
  );
  return result;
}

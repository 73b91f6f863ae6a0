// What an attack sees of a model: logits and gradients, in batches over all workers of the engine.
import { assert, assertShape } from '../../shared/assert.ts';
import { elementCount, float32Tensor, type Tensor } from '../../shared/maths/tensor.ts';
import type { LoadedModel } from '../engine/engine.ts';

/** Logits and a gradient by the inputs, of the same run. */
export interface LogitsAndGradient {
  /** Row-major [rows, classes]. */
  readonly logits: Float32Array;
  /** Row-major [rows, ...inputShape]. */
  readonly gradient: Float32Array;
}

/** A model under attack. Inputs are row-major [rows, ...inputShape], any number of rows. */
export interface AttackTarget {
  readonly inputShape: readonly number[];
  readonly classes: number;
  /** Lowest and highest valid value of an input. */
  readonly range: readonly [number, number];
  /** @returns row-major [rows, classes] */
  logits(inputs: Float32Array): Promise<Float32Array>;
  /**
   * @param labels [rows]
   * @returns gradient of the cross-entropy of `labels` by the inputs, row-major [rows, ...inputShape]
   */
  lossGradient(inputs: Float32Array, labels: ArrayLike<number>): Promise<Float32Array>;
  /**
   * @param labels [rows]
   * @returns the same gradient with the logits of the inputs
   */
  crossEntropy(inputs: Float32Array, labels: ArrayLike<number>): Promise<LogitsAndGradient>;
  /**
   * @param labels [rows]
   * @returns gradient of `z_label - max over k != label of z_k`, which is under 0 where the model gets the input wrong
   */
  margin(inputs: Float32Array, labels: ArrayLike<number>): Promise<LogitsAndGradient>;
  /**
   * @param seeds row-major [rows, classes]
   * @returns gradient of `sum over k of seed_k z_k`: with one-hot seeds a row of the Jacobian
   */
  vectorJacobian(inputs: Float32Array, seeds: Float32Array): Promise<LogitsAndGradient>;
}

/** The graphs that attacks run. */
export interface AttackModels {
  /** Input `x [rows, ...]`, output `logits [rows, classes]`. */
  readonly forward: LoadedModel;
  /** Inputs `x` and one-hot `target [rows, classes]`, outputs `logits` and `gradient` of the cross-entropy. */
  readonly gradient: LoadedModel;
  /** Loads `gradientModel` of another head; called once a head, when an attack first needs it. */
  readonly loadHead?: (head: 'margin' | 'seed') => Promise<LoadedModel>;
}

/** What a target is beside its graphs. */
export interface TargetOptions extends Pick<AttackTarget, 'inputShape' | 'classes' | 'range'> {
  /** Once aborted, every attack on the target ends with the signal's reason at its next run. */
  readonly signal?: AbortSignal;
}

/** Rows of one run: larger ones are not faster a row on processors, and leave cores without work at the end (docs/results.md). */
const batchRows = 16;

/** Runs that one target has in the engine's queue at a time, well under the engine's bound of 256. */
const runsMax = 64;

/** Larger than any margin, so that the head's floor never cuts the gradient off. */
const unbounded = 1e9;

/** Named rows of float32, each of the shape of one row. */
type RowFeeds = Readonly<Record<string, { readonly data: Float32Array; readonly shape: readonly number[] }>>;

/** Makes a target of loaded graphs. */
export function attackTarget(models: AttackModels, options: TargetOptions): AttackTarget {
  const { signal, ...shape } = options;
  const { inputShape, classes } = shape;
  const size = elementCount(inputShape);
  const limited = limitRuns(runsMax);
  const stop = signal === undefined ? {} : { signal };
  const heads = new Map<string, Promise<LoadedModel>>();
  const head = (name: 'margin' | 'seed') => {
    assert(models.loadHead !== undefined, 'a target without `loadHead` knows the cross-entropy alone');
    const loaded = heads.get(name) ?? models.loadHead(name);
    heads.set(name, loaded);
    return loaded;
  };

  /** Runs batches side by side and puts their rows together in order. */
  const run = async (
    model: LoadedModel,
    feeds: RowFeeds,
    { outputs, shared = {} }: { outputs: readonly string[]; shared?: Readonly<Record<string, Tensor>> },
  ): Promise<LogitsAndGradient> => {
    const rows = feeds.x.data.length / size;
    assert(Number.isInteger(rows), `inputs have ${feeds.x.data.length} elements, one has ${size}`);
    const widths: Record<string, number> = { logits: classes, gradient: size };
    const whole: Record<string, Float32Array> = {
      logits: new Float32Array(0),
      gradient: new Float32Array(0),
    };
    for (const name of outputs) whole[name] = new Float32Array(rows * widths[name]);
    const starts = Array.from({ length: Math.ceil(rows / batchRows) }, (_, batch) => batch * batchRows);
    await Promise.all(
      starts.map(async (start) => {
        const part = { ...batchOf(feeds, start, Math.min(rows, start + batchRows)), ...shared };
        const answer = await limited(() => model.run(part, { outputs, ...stop }));
        for (const name of outputs) whole[name].set(answer[name].data as Float32Array, start * widths[name]);
      }),
    );
    return { logits: whole.logits, gradient: whole.gradient };
  };

  const x = (inputs: Float32Array) => ({ data: inputs, shape: inputShape });
  const perClass = (data: Float32Array) => ({ data, shape: [classes] });
  const both = ['logits', 'gradient'];
  return {
    ...shape,
    logits: async (inputs) => (await run(models.forward, { x: x(inputs) }, { outputs: ['logits'] })).logits,
    lossGradient: async (inputs, labels) => {
      const feeds = { x: x(inputs), target: perClass(oneHot(labels, classes)) };
      return (await run(models.gradient, feeds, { outputs: ['gradient'] })).gradient;
    },
    crossEntropy: (inputs, labels) =>
      run(models.gradient, { x: x(inputs), target: perClass(oneHot(labels, classes)) }, { outputs: both }),
    margin: async (inputs, labels) =>
      run(
        await head('margin'),
        { x: x(inputs), target: perClass(oneHot(labels, classes)) },
        { outputs: both, shared: { kappa: float32Tensor(Float32Array.of(unbounded), []) } },
      ),
    vectorJacobian: async (inputs, seeds) =>
      run(await head('seed'), { x: x(inputs), seed: perClass(seeds) }, { outputs: both }),
  };
}

/** One-hot rows [labels, classes]. */
function oneHot(labels: ArrayLike<number>, classes: number): Float32Array {
  const rows = new Float32Array(labels.length * classes);
  for (let row = 0; row < labels.length; row++) rows[row * classes + labels[row]] = 1;
  return rows;
}

function batchOf(feeds: RowFeeds, from: number, to: number): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(feeds).map(([name, { data, shape }]) => {
      const size = elementCount(shape);
      assertShape(data, [feeds.x.data.length / elementCount(feeds.x.shape), ...shape], name);
      return [name, float32Tensor(data.subarray(from * size, to * size), [to - from, ...shape])];
    }),
  );
}

/** Lets `max` tasks run at a time, the others in order after them. */
function limitRuns(max: number): <T>(task: () => Promise<T>) => Promise<T> {
  let free = max;
  const waiting: (() => void)[] = [];
  return async (task) => {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await task();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free++;
      else next();
    }
  };
}

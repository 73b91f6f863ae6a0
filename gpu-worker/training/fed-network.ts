// A network under training: its weights, and the graphs that take them with every run.
import { GuardError } from '../../shared/errors.ts';
import { elementCount, float32Tensor, type Tensor } from '../../shared/maths/tensor.ts';
import { type AttackTarget, attackTarget } from '../attacks/attack-target.ts';
import type { Engine, LoadedModel } from '../engine/engine.ts';
import { type FedGradient, fedModel } from '../onnx/fed-model.ts';
import { readWeights, type Weight } from '../onnx/weights.ts';
import { countCorrect } from './measure-accuracy.ts';

/** Images with what they are to be taken for. */
export interface LabelledBatch {
  /** Row-major [rows, ...inputShape]. */
  readonly inputs: Float32Array;
  /** [rows], each under the number of classes. */
  readonly labels: Int32Array;
}

/** What a batch says of the present weights. */
export interface BatchGradients {
  /** Sum of the cross-entropy over the rows. */
  readonly loss: number;
  /** Rows whose largest logit is their label's. */
  readonly correct: number;
  /** Gradient of the mean cross-entropy, one a weight tensor. */
  readonly gradients: readonly Float32Array[];
}

/** A loaded network. */
export interface FedNetwork {
  /** The weights, in the order of the file; their values are read anew by every run. */
  readonly weights: readonly Weight[];
  readonly inputShape: readonly number[];
  readonly classes: number;
  gradients(batch: LabelledBatch): Promise<BatchGradients>;
  /** The network as attacks see it, at the weights of each run. */
  attackTarget(range: readonly [number, number]): Promise<AttackTarget>;
  release(): Promise<void>;
}

/**
 * Rows of one run. A batch is cut at these rows whatever the number of workers, and its parts are added up in order, so
 * that equal seeds give equal weights on every machine of the same arithmetic.
 */
const shardRows = 32;
/** Parts that wait in the engine's queue together: enough for every worker, well under the queue's bound. */
const shardsMax = 64;

/**
 * Loads a model for training.
 * @throws GuardError `invalid_model` where it has no weights to train; as `fedModel` says
 */
export async function loadFedNetwork(modelBytes: Uint8Array, engine: Engine): Promise<FedNetwork> {
  const weights = readWeights(modelBytes);
  if (weights.length === 0) {
    throw new GuardError(
      'invalid_model',
      'no convolution or dense layer of the model has its weights as float32 initializers: nothing to train',
    );
  }
  const loaded: LoadedModel[] = [];
  const load = async (gradient: FedGradient) => {
    const parameters = weights.map(({ name }) => name);
    const fed = await fedModel(modelBytes, { engine, parameters, gradient });
    const model = await engine.load(fed.bytes);
    loaded.push(model);
    const feeds = (): Record<string, Tensor> =>
      Object.fromEntries(
        fed.parameters.map(({ input }, index) => [
          input,
          float32Tensor(weights[index].values, weights[index].shape),
        ]),
      );
    return { model, feeds, parameters: fed.parameters };
  };
  const training = await load('parameters');
  const spec = (name: string) => training.model.inputs.find((input) => input.name === name)!.shape.slice(1);
  const inputShape = spec('x');
  const [classes] = spec('target');

  const gradientsOfShard = async (shard: LabelledBatch) => {
    const rows = shard.labels.length;
    const target = new Float32Array(rows * classes);
    for (const [row, label] of shard.labels.entries()) target[row * classes + label] = 1;
    const results = await training.model.run({
      x: float32Tensor(shard.inputs, [rows, ...inputShape]),
      target: float32Tensor(target, [rows, classes]),
      ...training.feeds(),
    });
    return {
      loss: (results.loss.data as Float32Array).reduce((sum, value) => sum + value, 0),
      correct: countCorrect(results.logits.data as Float32Array, shard.labels),
      gradients: training.parameters.map(({ gradient }) => results[gradient].data as Float32Array),
    };
  };

  return {
    weights,
    inputShape,
    classes,
    gradients: async (batch) => {
      const all = shards(batch, inputShape);
      const parts: BatchGradients[] = [];
      for (let first = 0; first < all.length; first += shardsMax) {
        parts.push(...(await Promise.all(all.slice(first, first + shardsMax).map(gradientsOfShard))));
      }
      return addUp(parts, batch.labels.length);
    },
    attackTarget: async (range) => {
      const [forward, gradient] = [await load('none'), await load('input')];
      return attackTarget(
        { forward: withFeeds(forward), gradient: withFeeds(gradient) },
        { inputShape, classes, range },
      );
    },
    release: async () => {
      await Promise.all(loaded.map((model) => model.release()));
    },
  };
}

function shards({ inputs, labels }: LabelledBatch, inputShape: readonly number[]): LabelledBatch[] {
  const size = elementCount(inputShape);
  return Array.from({ length: Math.ceil(labels.length / shardRows) }, (_, index) => {
    const [from, to] = [index * shardRows, (index + 1) * shardRows];
    return { inputs: inputs.subarray(from * size, to * size), labels: labels.subarray(from, to) };
  });
}

/** Adds up parts of a batch; the first one's arrays take the sum. */
function addUp(parts: readonly BatchGradients[], rows: number): BatchGradients {
  const [whole, ...others] = parts;
  for (const [index, sum] of whole.gradients.entries()) {
    for (const { gradients } of others) {
      const part = gradients[index];
      for (let place = 0; place < sum.length; place++) sum[place] += part[place];
    }
    for (let place = 0; place < sum.length; place++) sum[place] /= rows;
  }
  return {
    loss: parts.reduce((sum, { loss }) => sum + loss, 0),
    correct: parts.reduce((sum, { correct }) => sum + correct, 0),
    gradients: whole.gradients,
  };
}

/** A model that is fed its weights beside what its caller gives. */
function withFeeds({
  model,
  feeds,
}: {
  model: LoadedModel;
  feeds: () => Record<string, Tensor>;
}): LoadedModel {
  return {
    inputs: model.inputs,
    outputs: model.outputs,
    run: (own, options) => model.run({ ...own, ...feeds() }, options),
    release: () => model.release(),
  };
}

// A TensorFlow.js model that gives logits and changes as the compiled graph of an ONNX model does.
import type { Tensor as TfTensor } from '@tensorflow/tfjs-core';
import { compiledTensors } from '../../shared/contracts/extraction.ts';
import { GuardError } from '../../shared/errors.ts';
import { elementCount, float32Tensor, type Tensor } from '../../shared/maths/tensor.ts';
import type { TensorSpec } from './engine.ts';
import type { TfjsArchive } from './tfjs-archive.ts';
import { copyMaker } from './tfjs-copies.ts';
import { openTfjsModel, type TfjsModel } from './tfjs-model.ts';
import type { Tfjs } from './tfjs-runtime.ts';
import { reduceTaps } from './tfjs-taps.ts';
import type { ModelSpecs } from './thread-messages.ts';
import type { RuntimeModel } from './thread-runtime.ts';

type Feeds = Readonly<Record<string, Tensor>>;

/**
 * Loads an archive: with its extraction `x`, `noise_rows` and `noise_signs` to `logits [R, runs, K]` and `changes [R, D]`, without it the
 * model's own input to its logits.
 * @throws GuardError `invalid_model` where the model, a tap or a transform is not usable
 */
export async function loadTfjsModel(tfjs: Tfjs, archive: TfjsArchive): Promise<RuntimeModel> {
  const model = await openTfjsModel(tfjs, archive.files);
  try {
    return archive.extraction === undefined
      ? plainModel(tfjs, model)
      : extractionModel(tfjs, { model, archive });
  } catch (cause) {
    model.dispose();
    throw cause;
  }
}

function plainModel(tfjs: Tfjs, model: TfjsModel): RuntimeModel {
  const { core: tf } = tfjs;
  const { inputName, inputShape, output } = model;
  const run = (feeds: Feeds) =>
    computed(tfjs, [output], () => {
      const { shape, data } = feedOf(feeds, {
        name: inputName,
        datatype: 'FP32',
        shape: [-1, ...inputShape],
      });
      return model.run(tf.tensor(data as Float32Array, [...shape]), [output]);
    });
  const classes = run({ [inputName]: zeros([1, ...inputShape]) })[output].shape.slice(1);
  return {
    specs: {
      inputs: [{ name: inputName, datatype: 'FP32', shape: [-1, ...inputShape] }],
      outputs: [{ name: output, datatype: 'FP32', shape: [-1, ...classes] }],
    },
    run: async (feeds) => run(feeds),
    release: async () => model.dispose(),
  };
}

function extractionModel(
  tfjs: Tfjs,
  { model, archive }: { readonly model: TfjsModel; readonly archive: TfjsArchive },
): RuntimeModel {
  const { core: tf } = tfjs;
  const { extraction: part, noiseBank: bank = new Float32Array(0) } = archive;
  if (part === undefined) throw new GuardError('internal', 'the archive has no extraction');
  const { compiled, channels_first: channelsFirst } = part;
  const { plan } = compiled;
  const imageShape = shapeChannelsFirst(model.inputShape);
  const shape = channelsFirst ? imageShape : model.inputShape;
  const copies = copyMaker(tfjs, { part, shape: imageShape, bank });
  const specs = extractionSpecs({ shape, noised: copies.noised });
  const names = [...new Set([model.output, ...plan.taps.map(({ tensor }) => tensor)])];

  const run = (feeds: Feeds, outputs: readonly string[]) =>
    computed(tfjs, outputs, () => {
      const [x, noiseRows, noiseSigns] = specs.map((spec) => feedOf(feeds, spec));
      const rows = x.shape[0];
      const made = copies.make({
        x: channelsFirst ? (x.data as Float32Array) : imagesChannelsFirst(tfjs, x),
        rows,
        noiseRows: Int32Array.from((noiseRows?.data as BigInt64Array | undefined) ?? [], Number),
        noiseSigns: (noiseSigns?.data as Float32Array | undefined) ?? new Float32Array(0),
      });
      const wanted = outputs.includes(compiledTensors.changes) ? names : [model.output];
      const input = channelsLast(tfjs, tf.reshape(made, [-1, ...imageShape]));
      const results = new Map(model.run(input, wanted).map((tensor, index) => [wanted[index], tensor]));
      const taps = plan.taps.map((tap) => ({ tap, activations: results.get(tap.tensor)! }));
      return outputs.map((output) =>
        output === compiledTensors.changes
          ? reduceTaps(tfjs, taps, { runs: copies.runs, plan })
          : tf.reshape(results.get(model.output)!, [rows, copies.runs, -1]),
      );
    });
  const outputNames =
    plan.taps.length === 0 ? [compiledTensors.logits] : [compiledTensors.logits, compiledTensors.changes];
  // Once, so that a tap that is not there is found when the model is loaded.
  const first = run(
    Object.fromEntries(specs.map((spec) => [spec.name, zeros([1, ...spec.shape.slice(1)], spec)])),
    outputNames,
  );
  const outputs = outputNames.map((name) => {
    return { name, datatype: 'FP32' as const, shape: [-1, ...first[name].shape.slice(1)] };
  });
  return {
    specs: { inputs: specs, outputs } satisfies ModelSpecs,
    run: async (feeds, wanted) => run(feeds, wanted ?? outputNames),
    release: async () => {
      copies.dispose();
      model.dispose();
    },
  };
}

function extractionSpecs({ shape, noised }: { shape: readonly number[]; noised: number }): TensorSpec[] {
  const x: TensorSpec = { name: compiledTensors.input, datatype: 'FP32', shape: [-1, ...shape] };
  if (noised === 0) return [x];
  return [
    x,
    { name: compiledTensors.noiseRows, datatype: 'INT64', shape: [-1, noised] },
    { name: compiledTensors.noiseSigns, datatype: 'FP32', shape: [-1, noised] },
  ];
}

/** Computes tensors, reads them and frees everything that was made on the way. */
function computed(
  { core: tf }: Tfjs,
  names: readonly string[],
  compute: () => readonly TfTensor[],
): Record<string, Tensor> {
  const results: Record<string, Tensor> = {};
  tf.tidy(() => {
    for (const [index, tensor] of compute().entries()) {
      // A copy: the backends may give views of memory that is freed.
      const data = Float32Array.from(tensor.dataSync());
      results[names[index]] = float32Tensor(data, tensor.shape);
    }
  });
  return results;
}

/**
 * The tensor that is fed for an input.
 * @throws Error with what is wrong with it
 */
function feedOf(feeds: Feeds, { name, datatype, shape }: TensorSpec): Tensor {
  const feed = feeds[name];
  if (feed === undefined) throw new Error(`input ${name} is missing`);
  if (feed.datatype !== datatype) throw new Error(`input ${name} is ${feed.datatype} instead of ${datatype}`);
  const fits =
    feed.shape.length === shape.length &&
    shape.every((extent, axis) => extent === -1 || extent === feed.shape[axis]);
  if (!fits) throw new Error(`input ${name} is [${feed.shape.join(', ')}] instead of [${shape.join(', ')}]`);
  return feed;
}

function zeros(
  shape: readonly number[],
  { datatype }: Pick<TensorSpec, 'datatype'> = { datatype: 'FP32' },
): Tensor {
  const count = elementCount(shape);
  return { datatype, shape, data: datatype === 'INT64' ? new BigInt64Array(count) : new Float32Array(count) };
}

/** [height, width, channels] with the channels first; other shapes as they are. */
function shapeChannelsFirst(shape: readonly number[]): number[] {
  const [height, width, channels] = shape;
  return shape.length === 3 ? [channels, height, width] : [...shape];
}

/** Images [R, height, width, channels] channel by channel; others as they are. */
function imagesChannelsFirst({ core: tf }: Tfjs, { shape, data }: Tensor): Float32Array {
  const images = data as Float32Array;
  if (shape.length !== 4 || shape[3] === 1) return images;
  return tf
    .transpose(tf.tensor4d(images, [...shape] as [number, number, number, number]), [0, 3, 1, 2])
    .dataSync<'float32'>();
}

function channelsLast({ core: tf }: Tfjs, images: TfTensor): TfTensor {
  return images.rank === 4 ? tf.transpose(images, [0, 2, 3, 1]) : images;
}

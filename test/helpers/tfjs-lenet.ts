// LeNet-5 with the weights of the demo's ONNX file as models of TensorFlow.js, written by hand.
import { readFileSync } from 'node:fs';
import type { ModelFiles } from '../../gpu-worker/engine/tfjs-archive.ts';
import { floatsOf } from '../../gpu-worker/onnx/constants.ts';
import { loadModel } from '../../gpu-worker/onnx/model-file.ts';
import { elementCount } from '../../shared/maths/tensor.ts';

const lenetFile = new URL('../../gpu-worker/demo/assets/mnist-lenet5.onnx', import.meta.url);

/** A weight under the name that a model of TensorFlow.js gives it. */
export interface TfjsWeight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array | Int32Array;
}

/** Layers by their names, with their weights in the order of TensorFlow.js. */
function lenetWeights(): Record<string, { kernel: TfjsWeight; bias: TfjsWeight }> {
  const { graph } = loadModel(readFileSync(lenetFile));
  const read = (name: string) => {
    const tensor = graph.initializer.find((known) => known.name === name)!;
    return { shape: tensor.dims.map(Number), values: floatsOf(tensor) };
  };
  const layers = { conv1: 'c1', conv2: 'c2', fc1: 'f1', fc2: 'f2', logits: 'f3' };
  return Object.fromEntries(
    Object.entries(layers).map(([name, source]) => {
      const { shape, values } = read(`m.${source}.weight`);
      const kernel =
        shape.length === 4 ? kernelOf(shape, values) : denseOf(shape, values, { fromMaps: name === 'fc1' });
      const bias = { name: `${name}/bias`, ...read(`m.${source}.bias`) };
      return [name, { kernel: { name: `${name}/kernel`, ...kernel }, bias }];
    }),
  );
}

/** [out, in, height, width] as [height, width, in, out]. */
function kernelOf([out, into, height, width]: readonly number[], values: Float32Array) {
  const turned = new Float32Array(values.length);
  let from = 0;
  for (let o = 0; o < out; o++) {
    for (let i = 0; i < into; i++) {
      for (let place = 0; place < height * width; place++)
        turned[(place * into + i) * out + o] = values[from++];
    }
  }
  return { shape: [height, width, into, out], values: turned };
}

/** [out, in] as [in, out]; behind 16 maps of 5 x 5 the inputs go from channel by channel to pixel by pixel. */
function denseOf(
  [out, into]: readonly number[],
  values: Float32Array,
  { fromMaps }: { readonly fromMaps: boolean },
) {
  const [maps, pixels] = [16, 25];
  const turned = new Float32Array(values.length);
  for (let o = 0; o < out; o++) {
    for (let i = 0; i < into; i++) {
      const to = fromMaps ? (i % pixels) * maps + Math.floor(i / pixels) : i;
      turned[to * out + o] = values[o * into + i];
    }
  }
  return { shape: [into, out], values: turned };
}

/** A model.json and its weights in two shards. */
export function modelFiles(topology: object, weights: readonly TfjsWeight[]): ModelFiles {
  const bytes = Buffer.concat(
    weights.map(({ values: { buffer, byteOffset, byteLength } }) =>
      Buffer.from(buffer, byteOffset, byteLength),
    ),
  );
  const half = bytes.length >> 1;
  const paths = ['group1-shard1of2.bin', 'group1-shard2of2.bin'];
  const specs = weights.map(({ name, shape, values }) => {
    return { name, shape, dtype: values instanceof Int32Array ? 'int32' : 'float32' };
  });
  const model = { ...topology, weightsManifest: [{ paths, weights: specs }] };
  return new Map<string, Uint8Array>([
    ['model.json', new TextEncoder().encode(JSON.stringify(model))],
    [paths[0], bytes.subarray(0, half)],
    [paths[1], bytes.subarray(half)],
  ]);
}

/** A Layers model that ends in a softmax, layers named as the tensors of the ONNX file. */
export function lenetLayers(): ModelFiles {
  const weights = lenetWeights();
  const convolution = (name: string, filters: number, padding: string, more = {}) => ({
    class_name: 'Conv2D',
    config: { name, filters, kernel_size: [5, 5], padding, activation: 'relu', ...more },
  });
  const pool = (name: string) => ({
    class_name: 'MaxPooling2D',
    config: { name, pool_size: [2, 2], strides: [2, 2], padding: 'valid' },
  });
  const dense = (name: string, units: number, activation: string) => ({
    class_name: 'Dense',
    config: { name, units, activation },
  });
  const layers = [
    convolution('conv1', 6, 'same', { batch_input_shape: [null, 28, 28, 1] }),
    pool('pool1'),
    convolution('conv2', 16, 'valid'),
    pool('pool2'),
    { class_name: 'Flatten', config: { name: 'flat' } },
    dense('fc1', 120, 'relu'),
    dense('fc2', 84, 'relu'),
    dense('logits', 10, 'softmax'),
  ];
  const topology = { class_name: 'Sequential', config: { name: 'lenet', layers } };
  const all = Object.values(weights).flatMap(({ kernel, bias }) => [kernel, bias]);
  return modelFiles({ format: 'layers-model', modelTopology: topology }, all);
}

/** A Graph model that ends in a softmax, as the converter writes them. */
export function lenetGraph(): ModelFiles {
  const weights = lenetWeights();
  const constants: TfjsWeight[] = [
    ...Object.values(weights).flatMap(({ kernel, bias }) => [kernel, bias]),
    { name: 'flat/shape', shape: [2], values: Int32Array.of(-1, 400) },
  ];
  const text = (value: string) => ({ s: Buffer.from(value).toString('base64') });
  const list = (...values: number[]) => ({ list: { i: values.map(String) } });
  const float = { type: 'DT_FLOAT' };
  const node = (name: string, op: string, input: string[], attr: object = {}) => ({
    name,
    op,
    input,
    attr: { T: float, ...attr },
  });
  const image = (padding: string, more: object) => ({
    padding: text(padding),
    data_format: text('NHWC'),
    ...more,
  });
  const convolution = (name: string, input: string, padding: string) => [
    node(
      `${name}/conv`,
      'Conv2D',
      [input, `${name}/kernel`],
      image(padding, { strides: list(1, 1, 1, 1), dilations: list(1, 1, 1, 1) }),
    ),
    node(`${name}/sum`, 'BiasAdd', [`${name}/conv`, `${name}/bias`], { data_format: text('NHWC') }),
    node(name, 'Relu', [`${name}/sum`]),
  ];
  const pool = (name: string, input: string) =>
    node(name, 'MaxPool', [input], image('VALID', { ksize: list(1, 2, 2, 1), strides: list(1, 2, 2, 1) }));
  const product = (name: string, input: string) =>
    node(`${name}/product`, 'MatMul', [input, `${name}/kernel`], {
      transpose_a: { b: false },
      transpose_b: { b: false },
    });
  const dense = (name: string, input: string) => [
    product(name, input),
    node(`${name}/sum`, 'BiasAdd', [`${name}/product`, `${name}/bias`], { data_format: text('NHWC') }),
    node(name, 'Relu', [`${name}/sum`]),
  ];
  const dimensions = (shape: readonly number[]) => ({ dim: shape.map((size) => ({ size: String(size) })) });
  const nodes = [
    {
      name: 'input',
      op: 'Placeholder',
      attr: { dtype: float, shape: { shape: dimensions([-1, 28, 28, 1]) } },
    },
    ...constants.map(({ name, shape, values }) => {
      const dtype = values instanceof Int32Array ? 'DT_INT32' : 'DT_FLOAT';
      const value = { tensor: { dtype, tensorShape: dimensions(shape) } };
      return { name, op: 'Const', attr: { dtype: { type: dtype }, value } };
    }),
    ...convolution('conv1', 'input', 'SAME'),
    pool('pool1', 'conv1'),
    ...convolution('conv2', 'pool1', 'VALID'),
    pool('pool2', 'conv2'),
    node('flat', 'Reshape', ['pool2', 'flat/shape'], { Tshape: { type: 'DT_INT32' } }),
    ...dense('fc1', 'flat'),
    ...dense('fc2', 'fc1'),
    product('logits', 'fc2'),
    node('logits', 'BiasAdd', ['logits/product', 'logits/bias'], { data_format: text('NHWC') }),
    node('probabilities', 'Softmax', ['logits']),
    node('Identity', 'Identity', ['probabilities']),
  ];
  // The output's name is also that of another node, as it is where logits were exported with their softmax.
  const signature = {
    inputs: { image: { name: 'input:0', dtype: 'DT_FLOAT', tensorShape: dimensions([-1, 28, 28, 1]) } },
    outputs: { logits: { name: 'Identity:0', dtype: 'DT_FLOAT', tensorShape: dimensions([-1, 10]) } },
  };
  return modelFiles(
    { format: 'graph-model', signature, modelTopology: { node: nodes, versions: {} } },
    constants,
  );
}

/** A Layers model of one convolution over colour images of 6 x 5, and its weights as [3, 3, 3, 4] and [4]. */
export function smallColourLayers(): ModelFiles {
  const values = (shape: readonly number[]) =>
    Float32Array.from({ length: elementCount(shape) }, (_, index) => ((index * 37) % 19) / 19 - 0.5);
  const layers = [
    {
      class_name: 'Conv2D',
      config: {
        name: 'maps',
        filters: 4,
        kernel_size: [3, 3],
        padding: 'valid',
        batch_input_shape: [null, 6, 5, 3],
      },
    },
    { class_name: 'GlobalAveragePooling2D', config: { name: 'means' } },
  ];
  const weights = [
    { name: 'maps/kernel', shape: [3, 3, 3, 4], values: values([3, 3, 3, 4]) },
    { name: 'maps/bias', shape: [4], values: values([4]) },
  ];
  return modelFiles(
    { modelTopology: { class_name: 'Sequential', config: { name: 'small', layers } } },
    weights,
  );
}

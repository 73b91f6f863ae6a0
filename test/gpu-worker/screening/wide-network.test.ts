// A network whose penultimate layer is wider than what is read: poison that was planted in its training data is found.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Dataset } from '../../../gpu-worker/datasets/dataset.ts';
import { drawDigit } from '../../../gpu-worker/datasets/synthetic-digits.ts';
import type { Engine } from '../../../gpu-worker/engine/engine.ts';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import { buildOn, newModel } from '../../../gpu-worker/onnx/graph.ts';
import { saveModel } from '../../../gpu-worker/onnx/model-file.ts';
import { exampleExtractor } from '../../../gpu-worker/screening/example-extractor.ts';
import { screenUpload } from '../../../gpu-worker/screening/screen-upload.ts';
import { trainNetwork } from '../../../gpu-worker/training/train-network.ts';
import { poisonDataset } from '../../../gpu-worker/triggers/poison-dataset.ts';
import { normal, seededRandom } from '../../../shared/maths/random.ts';
import { elementCount } from '../../../shared/maths/tensor.ts';
import { screeningPage } from '../../../shared/screening-report/screening-page.ts';
import { fileOf, idxFile } from '../../helpers/upload-fixture.ts';

const [count, target, size, wide] = [1_500, 3, 784, 1_024];
let engine: Engine;
beforeAll(async () => {
  engine = await createOrtEngine({ workers: 2 });
});
afterAll(() => engine.close());

/** Digits of ten classes in bytes, as floats. */
function digits(): Dataset {
  const inputs = new Float32Array(count * size);
  const random = seededRandom(5);
  // Drawing takes its time: each is used ten times, with noise of its own.
  const drawn = Array.from({ length: count / 10 }, (_, index) => drawDigit(index % 10, index));
  for (let row = 0; row < count; row++) {
    const digit = drawn[row % drawn.length];
    for (let index = 0; index < size; index++) {
      inputs[row * size + index] = Math.round(200 * digit[index] + 40 * random()) / 255;
    }
  }
  const labels = Int32Array.from({ length: count }, (_, row) => row % 10);
  return { name: 'digits', inputs, labels, inputShape: [1, 28, 28] };
}

/** LeNet-5 with one wide dense layer in place of its two narrow ones, of drawn weights. */
function wideNetwork(): Uint8Array {
  const graph = buildOn(newModel('wide', 17), 'wide');
  const random = seededRandom(11);
  const layer = (shape: readonly number[]) => {
    const deviation = Math.sqrt(2 / elementCount(shape.slice(1)));
    const weights = Float32Array.from({ length: elementCount(shape) }, () => deviation * normal(random));
    return [graph.floats(shape, weights), graph.floats([shape[0]], new Float32Array(shape[0]))];
  };
  const convolved = (from: string, shape: readonly number[]) => {
    const sum = graph.op('Conv', [from, ...layer(shape)], {
      kernel_shape: [5, 5],
      pads: [0, 0, 0, 0],
      strides: [1, 1],
    });
    return graph.op('MaxPool', [graph.op('Relu', [sum])], { kernel_shape: [2, 2], strides: [2, 2] });
  };
  const image = graph.input('input', ['batch', 1, 28, 28]);
  const flat = graph.op('Flatten', [convolved(convolved(image, [8, 1, 5, 5]), [16, 8, 5, 5])]);
  const penult = graph.op(
    'Relu',
    [graph.op('Gemm', [flat, ...layer([wide, 256])], { transB: 1 })],
    {},
    'penult',
  );
  graph.op('Gemm', [penult, ...layer([10, wide])], { transB: 1 }, 'logits');
  graph.output('logits', ['batch', 10]);
  return saveModel(graph.model);
}

describe('a screening through a layer of 1,024 neurons', () => {
  it('finds the class and the examples that were planted, and says what it projected', async () => {
    const parameters = {
      size: 4,
      shape: 'checkerboard',
      corner: 'bottom-right',
      margin: 1,
      level: 1,
    } as const;
    const recipe = {
      trigger: 'badnets',
      parameters,
      target,
      rate: 0.1,
      seed: 4,
      clean_label: false,
    } as const;
    const { dataset, rows } = poisonDataset(digits(), recipe, { range: [0, 1] });
    const model = await trainNetwork(wideNetwork(), dataset, {
      engine,
      epochs: 2,
      seed: 2,
      learningRate: 2e-3,
    });
    const extractor = await exampleExtractor(model, {
      engine,
      name: 'wide',
      mode: 'nccr',
      range: [0, 1],
      seed: 1,
    });
    expect(extractor.neurons).toBe(128);
    const pixels = Uint8Array.from(dataset.inputs, (value) => Math.round(255 * value));
    const files = [
      fileOf('images', idxFile([count, 28, 28], pixels)),
      fileOf('labels', idxFile([count], Uint8Array.from(dataset.labels))),
    ];
    const source = { name: 'digits', format: 'idx' as const, files, paths: [] };
    const { report } = await screenUpload({ source, extractor, seed: 1, planted: [...rows] });
    expect(report.screening.poisoned).toEqual([target]);
    expect(report.truth).toMatchObject({ false_positives: 0, false_classes: [], missed_classes: [] });
    expect(report.truth?.true_positives).toBeGreaterThan(0.7 * rows.length);
    expect(report.projection).toEqual({ from: wide, to: 128 });
    expect(await screeningPage(report)).toContain('The layer has 1,024 neurons');
  });
});

// The rule on a real backdoor: activations of a GTSRB model whose class 33 holds 131 BadNets examples beside 229 clean ones.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readNpz } from '../../../gpu-worker/datasets/npz.ts';
import { createOrtEngine } from '../../../gpu-worker/engine/ort-engine.ts';
import {
  type ClassSource,
  classSourceOf,
  screenClusters,
} from '../../../shared/clustering/screen-clusters.ts';
import { float32Tensor } from '../../../shared/maths/tensor.ts';
import { sharedFolder } from '../../helpers/shared-folder.ts';

const classes = 43;
const side = 32;
const pixels = 3 * side * side;
const batch = 128;

/** The examples of some classes in the data set that the model was trained on. */
interface TrainingPart {
  /** NCHW, 0 to 1. */
  readonly images: Float32Array;
  readonly labels: number[];
  readonly poisoned: boolean[];
}

function bytesOf(file: string, arrays: string[]): (name: string) => ArrayLike<number> {
  const read = readNpz(readFileSync(`${sharedFolder}${file}`), { name: file, arrays });
  return (name) => read[name]!.data as Uint8Array;
}

function trainingPart(model: string, wanted: readonly number[]): TrainingPart {
  const clean = bytesOf('data/gtsrb/train.npz', ['x'])('x');
  const planted = bytesOf(`models/poisoned/${model}.npz`, ['y', 'poison_idx', 'poison_x']);
  const poisonOf = new Map(Array.from(planted('poison_idx'), (row, index) => [row, index]));
  const triggered = planted('poison_x');
  const everyLabel = Array.from(planted('y'));
  const rows = [...everyLabel.keys()].filter((row) => wanted.includes(everyLabel[row]));
  const images = new Float32Array(rows.length * pixels);
  for (const [place, row] of rows.entries()) {
    const index = poisonOf.get(row);
    const [source, start] = index === undefined ? [clean, row * pixels] : [triggered, index * pixels];
    for (let channel = 0; channel < 3; channel++) {
      for (let pixel = 0; pixel < side * side; pixel++) {
        images[place * pixels + channel * side * side + pixel] = source[start + 3 * pixel + channel] / 255;
      }
    }
  }
  return {
    images,
    labels: rows.map((row) => everyLabel[row]),
    poisoned: rows.map((row) => poisonOf.has(row)),
  };
}

async function activations(model: string, { images, labels }: TrainingPart): Promise<ClassSource> {
  const engine = await createOrtEngine({ workers: 1 });
  const loaded = await engine.load(readFileSync(`${sharedFolder}models/poisoned/${model}.onnx`));
  const vectors: number[] = [];
  const logits: number[] = [];
  for (let first = 0; first < labels.length; first += batch) {
    const part = images.slice(first * pixels, (first + batch) * pixels);
    const feeds = {
      [loaded.inputs[0].name]: float32Tensor(part, [part.length / pixels, 3, side, side]),
    };
    const outputs = await loaded.run(feeds, { outputs: ['logits', 'penult'] });
    vectors.push(...(outputs.penult.data as Float32Array));
    logits.push(...(outputs.logits.data as Float32Array));
  }
  await engine.close();
  return classSourceOf({
    vectors: Float32Array.from(vectors),
    logits: Float32Array.from(logits),
    labels,
    classes,
  });
}

const missing = sharedFolder === undefined ? ' (skipped: ../shared/models is not here)' : '';

describe.skipIf(sharedFolder === undefined)(`screening a backdoored model's data${missing}`, () => {
  it('names class 33 alone among four, and its poison with an F1 of at least 0.97', async () => {
    const model = 'gtsrb_badnets_t33_1';
    const part = trainingPart(model, [33, 21, 32, 40]);
    expect(part.poisoned.filter((planted) => planted)).toHaveLength(131);
    const screening = await screenClusters(await activations(model, part), { seed: 1 });
    expect(screening.poisoned).toEqual([33]);
    const found = screening.verdicts.find(({ verdict }) => verdict === 'poisoned');
    const suspects = found?.verdict === 'poisoned' ? found.suspects.map(({ row }) => row) : [];
    const hits = suspects.filter((row) => part.poisoned[row]).length;
    // 0.97 is the bound for this set with all its 43 classes, on which the rule was found to reach 0.992.
    expect((2 * hits) / (suspects.length + 131)).toBeGreaterThanOrEqual(0.97);
  });
});

// A sequential test whose scores are easily foretold: the sum of each stage's standardised vector, with bounds of choice.
import { mlpToOnnx } from '../../gpu-worker/onnx/mlp-graph.ts';
import type { DetectorArtefact, SequentialTest } from '../../shared/contracts/detector-artefact.ts';
import { fitActivationGaussian, packGaussian } from '../../shared/detector/activation-gaussian.ts';
import { mlpScore, packLayer, parameterCount, toBase64 } from '../../shared/detector/mlp.ts';
import { stageVectorLength, type TestedArtefact } from '../../shared/detector/sequential-test.ts';
import { seededRandom } from '../../shared/maths/random.ts';

/** What tests choose of it. */
export interface SequentialFixture {
  /** What each stage runs. */
  readonly runs: readonly (readonly number[])[];
  /** Bounds of doubt, one a stage but the last. */
  readonly doubts: readonly { readonly lower: number | null; readonly upper: number | null }[];
  readonly threshold: number;
  readonly neurons: number;
}

/** Makes the test for an artefact's plan and model. */
export function sequentialFixture(
  { plan, model, vector, threshold }: TestedArtefact & Pick<DetectorArtefact, 'threshold'>,
  { runs, doubts, threshold: value, neurons }: SequentialFixture,
): SequentialTest {
  const { classes } = model;
  const random = seededRandom(3);
  const count = 20 * classes;
  const gaussian = fitActivationGaussian({
    activations: Float32Array.from({ length: count * neurons }, () => random()),
    labels: Int32Array.from({ length: count }, (_, row) => row % classes),
    classes,
  });
  const stages = runs.map((own, stage) => {
    const seen = runs
      .slice(0, stage + 1)
      .flat()
      .sort((left, right) => left - right);
    const length = stageVectorLength({ plan, classes, design: vector.design }, seen);
    const standardise = {
      mean: Array.from({ length }, () => 0),
      deviation: Array.from({ length }, () => 4),
      clip: 10,
    };
    // Of the two outputs the first is 0, the second the sum.
    const weights = Float32Array.from({ length: 2 * length }, (_, index) => (index < length ? 0 : 1));
    const layers = [{ inputs: length, outputs: 2, weights, biases: new Float32Array(2) }];
    const mlp = { layers, ...standardise };
    const vectors = [Array.from({ length }, (_, index) => index / 3 - 1)];
    return {
      runs: [...own],
      standardise,
      mlp: { layers: layers.map(packLayer), parameters: parameterCount(layers) },
      onnx: Buffer.from(mlpToOnnx(mlp)).toString('base64'),
      self_check: { vectors, scores: vectors.map((vector) => mlpScore(mlp, vector)) },
      ...(stage < runs.length - 1 && { doubt: { ...doubts[stage] } }),
    };
  });
  return {
    activations: packGaussian(gaussian),
    direction: toBase64(
      Float32Array.from({ length: neurons }, (_, neuron) => (neuron % 2 === 0 ? 1 : -1) / neurons),
    ),
    stages,
    threshold: { ...threshold, value },
    clean_copies: 1,
  };
}

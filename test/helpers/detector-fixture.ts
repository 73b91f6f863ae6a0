// A detector artefact whose score is easily steered: the sum of the standardised vector, against a threshold of choice.
import { mlpToOnnx } from '../../gpu-worker/onnx/mlp-graph.ts';
import type { DetectorArtefact, VectorDesign } from '../../shared/contracts/detector-artefact.ts';
import type { ExtractionPlan } from '../../shared/contracts/extraction.ts';
import { signArtefact } from '../../shared/detector/artefact-signature.ts';
import { type Layer, mlpScore, packLayer } from '../../shared/detector/mlp.ts';
import { planVectorLength } from '../../shared/maths/plan-vector.ts';
import { seededRandom } from '../../shared/maths/random.ts';
import { type TestSigner, testSigner } from './test-signer.ts';

/** What tests choose of an artefact. */
export interface DetectorFixture {
  readonly model: string;
  readonly modelDigest: string;
  readonly inputName?: string;
  readonly inputShape: readonly number[];
  readonly classes: number;
  readonly plan: ExtractionPlan;
  /** `rank-gaps` where it is not given; of at most 16 entries. */
  readonly design?: VectorDesign;
  readonly threshold: number;
  /** Clips the ONNX file's standardised entries otherwise than the artefact says. */
  readonly onnxClip?: number;
  /** Changes the artefact before it is signed. */
  readonly spoil?: (artefact: DetectorArtefact) => void;
  /** Who signs it: `testSigner` where the member is absent, nobody where it is undefined. */
  readonly signer?: TestSigner | undefined;
  /** Changes the artefact after it was signed. */
  readonly tamper?: (artefact: DetectorArtefact) => void;
}

const hidden = 16;

/** Writes the artefact. Its layers are the identity twice over, plus seeded weights too small to change a verdict. */
export async function detectorFixture(fixture: DetectorFixture): Promise<Uint8Array> {
  const { design = 'rank-gaps' } = fixture;
  const length = planVectorLength(design, fixture);
  const random = seededRandom(7);
  const small = () => (random() - 0.5) * 1e-3;
  const first = dense(length, hidden, (input, output) => (output % length === input ? 1 : 0) + small());
  const second = dense(hidden, 2, (input, output) => (output === 1 && input < length ? 1 : 0) + small());
  // ReLU would cut the negative half of the standardised entries off.
  first.biases.fill(10);
  second.biases[1] = -10 * length;
  const layers = [first, second];
  const standardise = {
    mean: Array.from({ length }, () => -5),
    deviation: Array.from({ length }, () => 2),
    clip: 10,
  };
  const mlp = { layers, ...standardise };
  const vectors = [0, 1, 2].map((row) => Array.from({ length }, (_, index) => row - 6 + index / 10));
  const digest = `sha256:${'0'.repeat(64)}`;
  const artefact: DetectorArtefact = {
    format: 'nccr-guard/detector',
    format_version: 1,
    name: 'nccr',
    version: '0.0.1',
    created_at: '2026-01-01T00:00:00Z',
    model: {
      name: fixture.model,
      digest: fixture.modelDigest,
      input_name: fixture.inputName ?? 'input',
      input_shape: [...fixture.inputShape],
      output_name: 'logits',
      classes: fixture.classes,
    },
    plan: fixture.plan,
    vector: { design, length },
    standardise,
    mlp: { layers: layers.map(packLayer), parameters: length * hidden + hidden + 2 * hidden + 2 },
    onnx: Buffer.from(mlpToOnnx({ ...mlp, clip: fixture.onnxClip ?? mlp.clip })).toString('base64'),
    threshold: {
      value: fixture.threshold,
      target_fpr: 0.01,
      fpr_ci95: [0.004, 0.02],
      calibration_samples: 1000,
    },
    calibration: {
      seed: 7,
      training: { images: 1, digest, clean: 1, adversarial: 1 },
      threshold: { images: 1, digest },
      attacks: [],
      dataset: 'none: weights by hand',
    },
    self_check: { vectors, scores: vectors.map((vector) => mlpScore(mlp, vector)) },
  };
  fixture.spoil?.(artefact);
  const signer = 'signer' in fixture ? fixture.signer : testSigner;
  const signed = signer === undefined ? artefact : await signArtefact(artefact, signer);
  fixture.tamper?.(signed);
  return new TextEncoder().encode(JSON.stringify(signed));
}

function dense(inputs: number, outputs: number, weight: (input: number, output: number) => number): Layer {
  const weights = Float32Array.from({ length: inputs * outputs }, (_, index) =>
    weight(index % inputs, Math.floor(index / inputs)),
  );
  return { inputs, outputs, weights, biases: new Float32Array(outputs) };
}

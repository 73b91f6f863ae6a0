// The inputs of the demo: a digit drawn here, and the same digit under PGD, barely and strongly.
import type { DetectorArtefact } from '../../shared/contracts/detector-artefact.ts';
import { GuardError } from '../../shared/errors.ts';
import { attackTarget } from '../attacks/attack-target.ts';
import { pgd, smallestPgd } from '../attacks/pgd.ts';
import { drawDigit } from '../datasets/synthetic-digits.ts';
import type { Engine } from '../engine/engine.ts';
import { forwardModel } from '../onnx/forward-model.ts';
import { gradientModel } from '../onnx/input-gradient.ts';

/** Pixels of the inputs, each [784] in [0, 1]. */
export interface DemoDigits {
  readonly label: number;
  readonly clean: Float32Array;
  readonly attacked: Float32Array;
  /** Largest change of a pixel by the attack. */
  readonly epsilon: number;
  /** The same digit under PGD at the larger, fixed radius `strongEpsilon`. */
  readonly strong: Float32Array;
}

/** Radius of the stronger attack: what MNIST models are usually attacked with (Madry et al. 2018). */
export const strongEpsilon = 0.3;

/** Which digit `npm start` draws, and the seed of the pen for every digit. */
const drawn = { label: 3, seed: 1 };

/**
 * Draws the digit and attacks the protected model with it, white box, at the smallest epsilon that succeeds and at a larger one.
 * @throws GuardError `internal` where the attack has no success
 */
export async function demoDigits(
  model: Uint8Array,
  { artefact, engine, label = drawn.label }: { artefact: DetectorArtefact; engine: Engine; label?: number },
): Promise<DemoDigits> {
  const clean = drawDigit(label, drawn.seed);
  const [forward, gradient] = await Promise.all([
    engine.load(await forwardModel(model, { engine })),
    engine.load(await gradientModel(model, { engine, head: 'cross-entropy', loss: false })),
  ]);
  const { input_shape: inputShape, classes } = artefact.model;
  const target = attackTarget(
    { forward, gradient },
    { inputShape, classes, range: artefact.plan.input_range },
  );
  const attacked = { inputs: clean, labels: [label] };
  const smallest = await smallestPgd(target, attacked);
  const strong = await pgd(target, attacked, { epsilon: strongEpsilon, steps: 20 });
  if (smallest.success[0] !== 1 || strong.success[0] !== 1)
    throw new GuardError('internal', 'PGD found no adversarial example of the digit');
  return {
    label,
    clean,
    attacked: smallest.inputs,
    epsilon: smallest.epsilon[0],
    strong: strong.inputs,
  };
}

/** Other digits, to send before a request is timed. */
export function warmUpDigits(): Float32Array[] {
  return Array.from({ length: 30 }, (_, index) => drawDigit(index % 10, drawn.seed + 1 + index));
}

// Baseline: how many steps of an attack it takes to change an input's label.
import { elementCount } from '../../shared/maths/tensor.ts';
import { clipTo, predictedLabel } from '../attacks/attack.ts';
import type { AttackTarget } from '../attacks/attack-target.ts';
import { type BaselineScores, countRows, gradientPasses, meanPasses } from './baseline.ts';

/** The attack that defends. */
export interface AttackAsDefenseOptions {
  /**
   * Size of a step in the max norm, in units of the input: 0.01 for MNIST and 0.001 for CIFAR-10 tell boundary examples
   * in a few steps; half of it tells a little more at twice the cost.
   */
  readonly step: number;
  /** Steps after which an input is taken for robust. */
  readonly stepsMax: number;
}

/**
 * Scores inputs by the steps of the basic iterative method that leave the model's own label: adversarial examples need
 * few.
 *
 * Ours: the attack is BIM alone (the paper tries FGSM, BIM, JSMA and others), not bounded by a ball, and the count itself
 * is the score (the paper fits a k-nearest-neighbour or z-score rule to it).
 * @param inputs row-major [rows, ...inputShape]
 * @returns minus the steps, in [-stepsMax - 1, -1]; -stepsMax - 1 where stepsMax are not enough
 * @see Zhao, Chen, Wang, Sun, Chen and Song, "Attack as defense: characterizing adversarial examples using robustness"
 *   (ISSTA 2021)
 */
export async function attackAsDefense(
  target: AttackTarget,
  inputs: Float32Array,
  { step, stepsMax }: AttackAsDefenseOptions,
): Promise<BaselineScores> {
  const rows = countRows(target, inputs);
  const own = await labelsOf(target, inputs);
  const scores = new Float64Array(rows).fill(-stepsMax - 1);
  let forwards = rows;
  let gradients = 0;
  let open: OpenRows = { rows: Array.from(own.keys()), inputs };
  /** Keeps the rows that have their own label after `steps` steps, and scores the others. */
  const close = (logits: Float32Array, steps: number): number[] => {
    const kept: number[] = [];
    for (const [index, row] of open.rows.entries()) {
      if (predictedLabel(logits, index, target.classes) === own[row]) kept.push(index);
      // On the boundary itself the gradient's graph may round to the other side before the first step.
      else scores[row] = -Math.max(1, steps);
    }
    return kept;
  };
  for (let steps = 0; steps < stepsMax && open.rows.length > 0; steps++) {
    // The run that gives the next gradient gives the logits after the steps so far.
    const labels = open.rows.map((row) => own[row]);
    const { logits, gradient } = await target.crossEntropy(open.inputs, labels);
    gradients += open.rows.length;
    const moved = open.inputs.map((value, index) =>
      clipTo(target.range, value + step * Math.sign(gradient[index])),
    );
    open = pick({ rows: open.rows, inputs: moved }, close(logits, steps), target);
  }
  close(await target.logits(open.inputs), stepsMax);
  forwards += open.rows.length;
  return {
    scores,
    passesPerInput: meanPasses(forwards + gradientPasses * gradients, rows),
    gradientsPerInput: meanPasses(gradients, rows),
  };
}

/** Inputs on their way, with the row that each began as. */
interface OpenRows {
  readonly rows: readonly number[];
  readonly inputs: Float32Array;
}

async function labelsOf(target: AttackTarget, inputs: Float32Array): Promise<number[]> {
  const logits = await target.logits(inputs);
  return Array.from({ length: logits.length / target.classes }, (_, row) =>
    predictedLabel(logits, row, target.classes),
  );
}

function pick({ rows, inputs }: OpenRows, kept: readonly number[], { inputShape }: AttackTarget): OpenRows {
  const size = elementCount(inputShape);
  const picked = new Float32Array(kept.length * size);
  for (const [index, from] of kept.entries()) {
    picked.set(inputs.subarray(from * size, (from + 1) * size), index * size);
  }
  return { rows: kept.map((from) => rows[from]), inputs: picked };
}

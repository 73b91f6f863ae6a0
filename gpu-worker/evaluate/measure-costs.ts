// Time that each way of scoring takes for one input, beside one forward pass of the bare model.
import type { Quartiles, TableCosts } from '../../shared/contracts/detection-table.ts';
import { permutation, seededRandom } from '../../shared/maths/random.ts';
import type { AttackTarget } from '../attacks/attack-target.ts';
import { type Dataset, datasetRow } from '../datasets/dataset.ts';
import type { ScoringMethod } from './scoring-method.ts';

/** What is timed, on what. */
export interface CostSetting {
  readonly methods: readonly ScoringMethod[];
  readonly target: AttackTarget;
  /** Clean inputs, one after the other; the first of them twice, to warm up. */
  readonly inputs: Dataset;
  /** What ran it. */
  readonly device: string;
}

/** Draws the order of the methods in each round. */
const orderSeed = 1;

/**
 * Inputs that a method judges in a row before the next one's turn. A guard runs one method all day and finds its graphs in the
 * caches; alone between nine others each run first fetches its weights anew, which here was as long as a pass of a small model.
 */
const turnInputs = 10;

/** Inputs that are run before anything is timed, so that no session starts and no code compiles on the clock. */
const warmUps = 8;

/**
 * Measures every method on the same inputs in the same run.
 *
 * One input at a time, as it comes to a guard. In each round every method judges the same few inputs one after the other, in an
 * order of the methods drawn anew, and the bare model judges them before, between and behind; the median of its passes over
 * an input is what the input's times are relative to, so that a machine that slows down slows both.
 * @see Georges, Buytaert and Eeckhout, "Statistically rigorous Java performance evaluation" (2007), on warm-up and on
 *   reporting more than one number
 */
export async function measureCosts(
  { methods, target, inputs, device }: CostSetting,
  onProgress: (share: number) => void,
): Promise<TableCosts> {
  const count = inputs.labels.length;
  const bare = (input: Float32Array) => target.logits(input);
  const gradient = (input: Float32Array, row: number) => target.crossEntropy(input, [inputs.labels[row]]);
  for (let round = 0; round < warmUps; round++) {
    const row = round % count;
    const input = datasetRow(inputs, row);
    await bare(input);
    await gradient(input, row);
    for (const method of methods) await method.scoreAlone(input);
  }

  const random = seededRandom(orderSeed);
  const bareMs: number[] = [];
  const gradientRatios: number[] = [];
  const timed = methods.map((method) => ({
    method,
    ms: [] as number[],
    forwards: 0,
    gradients: 0,
  }));
  for (let start = 0; start < count; start += turnInputs) {
    const rows = Array.from({ length: Math.min(turnInputs, count - start) }, (_, place) => start + place);
    const passes: number[][] = rows.map(() => []);
    const pass = async () => {
      for (const [place, row] of rows.entries()) {
        passes[place].push(await elapsed(() => bare(datasetRow(inputs, row))));
      }
    };
    await pass();
    const gradientMs: number[] = [];
    for (const row of rows) gradientMs.push(await elapsed(() => gradient(datasetRow(inputs, row), row)));
    for (const [turn, index] of permutation(timed.length, random).entries()) {
      const each = timed[index];
      for (const row of rows) {
        const input = datasetRow(inputs, row);
        each.ms[row] = await elapsed(async () => {
          const { forwards, gradients } = await each.method.scoreAlone(input);
          each.forwards += forwards / count;
          each.gradients += gradients / count;
        });
      }
      if (turn === timed.length >> 1) await pass();
    }
    await pass();
    for (const [place, row] of rows.entries()) {
      bareMs[row] = quantile(passes[place], 0.5);
      gradientRatios[row] = gradientMs[place] / bareMs[row];
    }
    onProgress((start + rows.length) / count);
  }
  const gradientRatio = quartiles(gradientRatios);
  return {
    inputs: count,
    device,
    bare_ms: quartiles(bareMs),
    gradient_ratio: gradientRatio,
    methods: Object.fromEntries(
      timed.map(({ method, ms, forwards, gradients }) => [
        method.name,
        {
          // A gradient counts as what it took here.
          forwards: forwards + gradients * gradientRatio.median,
          ms: quartiles(ms),
          ratio: quartiles(ms.map((value, round) => value / bareMs[round])),
          mean_ratio: sum(ms) / sum(bareMs),
        },
      ]),
    ),
  };
}

async function elapsed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** First quartile, median, third quartile. */
export function quartiles(values: readonly number[]): Quartiles {
  return {
    median: quantile(values, 0.5),
    quartiles: [quantile(values, 0.25), quantile(values, 0.75)],
  };
}

/** Linear between the two nearest of the sorted values. */
function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const above = Math.min(sorted.length - 1, below + 1);
  return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}

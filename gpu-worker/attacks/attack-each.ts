// Runs an attack written for one input on many, its questions to the model answered in batches.
import { assertShape } from '../../shared/assert.ts';
import { type Random, seededRandom } from '../../shared/maths/random.ts';
import { concatenateFloats, elementCount } from '../../shared/maths/tensor.ts';
import { type AttackExamples, type AttackInputs, judge, type Progress } from './attack.ts';
import type { AttackTarget, LogitsAndGradient } from './attack-target.ts';

/** One input under attack, and the model as it answers for it. */
export interface AttackedRow {
  /** Number of the row. */
  readonly row: number;
  /** [size]: the clean input, not to be changed. */
  readonly input: Float32Array;
  readonly label: number;
  /**
   * @param inputs row-major [count, size]
   * @returns row-major [count, classes]
   */
  readonly logits: (inputs: Float32Array) => Promise<Float32Array>;
  /** Cross-entropy of a label, the row's own where none is given, at `input [size]`. */
  readonly crossEntropy: (input: Float32Array, label?: number) => Promise<LogitsAndGradient>;
  /** Margin of the row's label over the best other class at `input [size]`. */
  readonly margin: (input: Float32Array) => Promise<LogitsAndGradient>;
  /**
   * @param seeds row-major [count, classes]
   * @returns logits [classes] and gradient [count, size], one for each seed
   */
  readonly vectorJacobian: (input: Float32Array, seeds: Float32Array) => Promise<LogitsAndGradient>;
  /** Says which share of this row's work is done, in [0, 1]. */
  readonly progress: (share: number) => void;
}

/** An attack on one input: gives the example that it would show, or its last try. */
export type RowAttack = (attacked: AttackedRow) => Promise<Float32Array>;

/** Rows that wait for their answers together: as many as fill a run, yet few enough that all workers have one. */
const laneRows = 16;
/** Lanes at a time; where there are more rows, lanes take up a new row where one ends, up to `slotsMax` at once. */
const lanesMax = 16;
const slotsMax = 32;

/**
 * Attacks every input.
 *
 * Rows are dealt to lanes. Within a lane the model is asked when every row in work has asked, so which rows share a run
 * follows from the inputs alone and not from the workers' timing: equal inputs give equal examples to the bit.
 * @returns examples judged by the model; rows without success hold the attack's last try
 */
export async function attackEach(
  target: AttackTarget,
  attacked: AttackInputs,
  { attack, onProgress }: { attack: RowAttack; onProgress?: Progress | undefined },
): Promise<AttackExamples> {
  const rows = attacked.labels.length;
  const size = elementCount(target.inputShape);
  assertShape(attacked.inputs, [rows, size], 'attacked inputs');
  const tried = attacked.inputs.slice();
  const report = progressOf(rows, onProgress);
  const failure: { cause?: unknown } = {};
  const lanes = Math.min(lanesMax, Math.ceil(rows / laneRows));
  const attackLane = async (lane: number) => {
    const asks = askInRounds(target, failure);
    let next = lane;
    const takeRows = async () => {
      while (next < rows) {
        const row = next;
        next += lanes;
        const input = attacked.inputs.subarray(row * size, (row + 1) * size);
        const example = await attack(
          attackedRow(asks, { row, input, label: attacked.labels[row], report, target }),
        );
        tried.set(example, row * size);
        report(row, 1);
      }
      asks.leave();
    };
    const slots = Math.min(slotsMax, Math.ceil((rows - lane) / lanes));
    asks.enter(slots);
    await Promise.all(Array.from({ length: slots }, takeRows));
  };
  await Promise.all(Array.from({ length: lanes }, (_, lane) => attackLane(lane)));
  return judge(target, attacked, tried);
}

/** A stream of random numbers of one row, the same whatever rows stand beside it. */
export function rowRandom(seed: number, row: number): Random {
  return seededRandom(Math.imul(seed, 1_000_003) + row);
}

type Question = 'logits' | 'crossEntropy' | 'margin' | 'vectorJacobian';

interface Ask {
  readonly question: Question;
  /** [count, size]. */
  readonly inputs: Float32Array;
  /** The label, or seeds [count, classes]. */
  readonly about: number | Float32Array;
  readonly resolve: (answer: LogitsAndGradient) => void;
  readonly reject: (reason: unknown) => void;
}

interface Rounds {
  enter(askers: number): void;
  leave(): void;
  ask(question: Question, inputs: Float32Array, about: number | Float32Array): Promise<LogitsAndGradient>;
}

/** Collects one question of every asker, then answers them all. */
function askInRounds(target: AttackTarget, failure: { cause?: unknown }): Rounds {
  let askers = 0;
  let waiting: Ask[] = [];
  const askWhenComplete = () => {
    if (waiting.length === 0 || waiting.length < askers) return;
    const round = waiting;
    waiting = [];
    for (const asks of Map.groupBy(round, ({ question }) => question).values()) {
      answer(target, asks).catch((cause: unknown) => {
        // The other lanes end at their next question instead of working for nobody.
        failure.cause ??= cause;
        for (const { reject } of asks) reject(cause);
      });
    }
  };
  return {
    enter(count) {
      askers += count;
    },
    leave() {
      askers--;
      askWhenComplete();
    },
    ask(question, inputs, about) {
      if (failure.cause !== undefined) return Promise.reject(failure.cause);
      return new Promise((resolve, reject) => {
        waiting.push({ question, inputs, about, resolve, reject });
        askWhenComplete();
      });
    },
  };
}

/** Answers questions of one kind in one call. */
async function answer(target: AttackTarget, asks: readonly Ask[]): Promise<void> {
  const size = elementCount(target.inputShape);
  const { classes } = target;
  const inputs = concatenateFloats(asks.map((ask) => ask.inputs));
  const labels = () => asks.map(({ about }) => about as number);
  const whole = await {
    logits: async () => ({ logits: await target.logits(inputs), gradient: new Float32Array(0) }),
    crossEntropy: () => target.crossEntropy(inputs, labels()),
    margin: () => target.margin(inputs, labels()),
    vectorJacobian: () =>
      target.vectorJacobian(inputs, concatenateFloats(asks.map(({ about }) => about as Float32Array))),
  }[asks[0].question]();
  let row = 0;
  for (const { inputs: asked, resolve } of asks) {
    const end = row + asked.length / size;
    resolve({
      logits: whole.logits.subarray(row * classes, end * classes),
      gradient: whole.gradient.subarray(row * size, end * size),
    });
    row = end;
  }
}

function attackedRow(
  asks: Rounds,
  {
    target: { classes },
    report,
    ...own
  }: Pick<AttackedRow, 'row' | 'input' | 'label'> & {
    target: AttackTarget;
    report: (row: number, share: number) => void;
  },
): AttackedRow {
  return {
    ...own,
    logits: async (inputs) => (await asks.ask('logits', inputs, own.label)).logits,
    crossEntropy: (input, label = own.label) => asks.ask('crossEntropy', input, label),
    margin: (input) => asks.ask('margin', input, own.label),
    vectorJacobian: async (input, seeds) => {
      const tiled = new Float32Array((seeds.length / classes) * input.length);
      for (let start = 0; start < tiled.length; start += input.length) tiled.set(input, start);
      const { logits, gradient } = await asks.ask('vectorJacobian', tiled, seeds);
      return { logits: logits.subarray(0, classes), gradient };
    },
    progress: (share) => report(own.row, share),
  };
}

/** Sums the rows' shares and reports the whole at most a hundred times. */
function progressOf(rows: number, onProgress: Progress | undefined): (row: number, share: number) => void {
  const shares = new Float64Array(rows);
  let done = 0;
  let reported = 0;
  return (row, share) => {
    done += share - shares[row];
    shares[row] = share;
    const percent = Math.floor((done / rows) * 100 + 1e-6);
    if (percent <= reported) return;
    reported = percent;
    onProgress?.(percent / 100);
  };
}

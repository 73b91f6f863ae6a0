// What every way of scoring is to a table, design or baseline: scores of sets, and one input judged from nothing.
import type { ExtractedRows } from '../calibrate/extract-rows.ts';

/** A set of inputs with what the compiled model said of them. */
export interface SeenInputs {
  /** Row-major [count, ...inputShape]. */
  readonly inputs: Float32Array;
  readonly rows: ExtractedRows;
}

/** Runs of the protected model that an input cost. */
export interface Passes {
  /** Forward passes, or rows of one run that holds several. */
  readonly forwards: number;
  /** Gradients of a loss by the input. */
  readonly gradients: number;
}

/** A column of a table. */
export interface ScoringMethod {
  readonly name: string;
  /** What it had to be set to for this model, where that is not the same for all. */
  readonly setting?: string;
  /** @returns [count] for each seed of the detector, higher for what is taken for adversarial; once where nothing is drawn */
  score(seen: SeenInputs): Promise<Float64Array[]>;
  /** Mean forward passes of a set, where they depend on the input: by the detector of the first seed. */
  meanForwards?(seen: SeenInputs): number;
  /**
   * Judges one input of which nothing is known yet, as a guard has to.
   * @param input [...inputShape]
   */
  scoreAlone(input: Float32Array): Promise<Passes>;
}

/** Scores of one set, by the method's name: [count] for each seed. */
export type SetScores = ReadonlyMap<string, readonly Float64Array[]>;

/** Scores a set in every way. */
export async function scoreSet(
  methods: readonly ScoringMethod[],
  seen: SeenInputs,
  onMethod: (name: string, share: number) => void,
): Promise<SetScores> {
  const scores = new Map<string, readonly Float64Array[]>();
  for (const [index, method] of methods.entries()) {
    scores.set(method.name, await method.score(seen));
    onMethod(method.name, (index + 1) / methods.length);
  }
  return scores;
}

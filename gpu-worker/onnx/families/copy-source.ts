// What a family of perturbations gives to the graph: some copies of the input.
import type { GraphBuilder } from '../graph.ts';

/** What a family may build on. */
export interface CopyContext {
  readonly graph: GraphBuilder;
  /** The input as [R, 1, ...shape]. */
  readonly input: string;
  readonly shape: readonly number[];
  /** Lowest and highest valid value of the input; copies are clipped to it. */
  readonly range: readonly [number, number];
}

/** A family with its settings. */
export interface CopySource {
  /** Copies that it makes of each input. */
  readonly copies: number;
  /** Appends the family to the graph and returns its copies as [R, copies, ...shape], clipped to the range. */
  append(context: CopyContext): string;
}

// The parts of Cloudflare's bindings that the edge uses, so that its code and its tests need no other type package.
import type { Scorer } from '../shared/contracts/verdict.ts';

/** One statement of D1 with its values bound. */
export interface D1Statement {
  bind(...values: readonly (string | number | null)[]): D1Statement;
  run(): Promise<unknown>;
  first<Row>(): Promise<Row | null>;
}

/** A D1 database. */
export interface D1Binding {
  prepare(sql: string): D1Statement;
}

/** An R2 bucket. */
export interface R2Binding {
  get(key: string): Promise<{ arrayBuffer(): Promise<ArrayBuffer> } | null>;
}

/** What the detector Worker is asked: the vectors of one request, row-major [rows, vector length]. */
export interface ScoreCall {
  readonly artefactKey: string;
  /** `sha256:…` of the artefact's bytes: the detector Worker refuses to score with any other. */
  readonly artefactDigest: string;
  /** Which stage of its sequential test scores; the full test where it is not given. */
  readonly stage?: number;
  readonly vectors: Float64Array;
  readonly rows: number;
}

/** What the detector Worker answers: [rows] scores. */
export interface ScoreAnswer {
  readonly scorer: Scorer;
  readonly scores: Float64Array;
}

/** The detector Worker's entry point, called over a service binding. */
export interface DetectorBinding {
  score(call: ScoreCall): Promise<ScoreAnswer>;
}

/** Lets work go on after the answer was sent. */
export type WaitUntil = (work: Promise<unknown>) => void;

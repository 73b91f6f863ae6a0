// The parts of Cloudflare's bindings that the edge uses, so that its code and its tests need no other type package.
import type { Scorer } from '../shared/contracts/verdict.ts';
import type { ErrorCode } from '../shared/errors.ts';
import type { GraphIdentity } from '../shared/noise/graph-identity.ts';

/** One statement of D1 with its values bound. */
export interface D1Statement {
  bind(...values: readonly (string | number | null)[]): D1Statement;
  run(): Promise<unknown>;
  first<Row>(): Promise<Row | null>;
  all<Row>(): Promise<{ readonly results: readonly Row[] }>;
}

/** Whatever answers requests in place of the network: another Worker, or a service of a private network. */
export interface FetcherBinding {
  fetch(url: string, init?: RequestInit): Promise<Response>;
}

/** A D1 database. */
export interface D1Binding {
  prepare(sql: string): D1Statement;
  /** Runs statements as one transaction. */
  batch(statements: readonly D1Statement[]): Promise<readonly { readonly results: readonly unknown[] }[]>;
}

/** An R2 bucket. */
export interface R2Binding {
  get(key: string): Promise<{ arrayBuffer(): Promise<ArrayBuffer> } | null>;
}

/** An R2 bucket whose objects say how large they are before they are read. */
export interface SizedR2Binding extends R2Binding {
  get(key: string): Promise<{ readonly size: number; arrayBuffer(): Promise<ArrayBuffer> } | null>;
}

/** What R2 says of an object. */
export interface R2ObjectHead {
  readonly key: string;
  readonly size: number;
}

/** An object of R2 with its bytes. */
export interface R2ObjectBody extends R2ObjectHead {
  readonly body: ReadableStream<Uint8Array>;
  arrayBuffer(): Promise<ArrayBuffer>;
}

/** A part as R2 knows it. */
export interface R2Part {
  readonly partNumber: number;
  readonly etag: string;
}

/** An upload in parts. */
export interface R2MultipartUpload {
  readonly uploadId: string;
  /** A stream must be of known length, as the body of a request with a content-length is. */
  uploadPart(part: number, value: ReadableStream<Uint8Array> | Uint8Array): Promise<R2Part>;
  complete(parts: readonly R2Part[]): Promise<R2ObjectHead>;
  abort(): Promise<void>;
}

/** An R2 bucket that is written too. */
export interface R2BucketBinding {
  get(
    key: string,
    options?: { readonly range?: { readonly offset: number; readonly length?: number } },
  ): Promise<R2ObjectBody | null>;
  head(key: string): Promise<R2ObjectHead | null>;
  put(key: string, value: Uint8Array | string): Promise<unknown>;
  delete(keys: readonly string[]): Promise<void>;
  list(options: { readonly prefix: string; readonly limit: number }): Promise<{
    readonly objects: readonly R2ObjectHead[];
    readonly truncated: boolean;
  }>;
  createMultipartUpload(key: string): Promise<R2MultipartUpload>;
  resumeMultipartUpload(key: string, uploadId: string): R2MultipartUpload;
}

/** A Workflow of Cloudflare. */
export interface WorkflowBinding<Params> {
  create(options: { readonly id: string; readonly params: Params }): Promise<unknown>;
  get(id: string): Promise<{ terminate(): Promise<void> }>;
}

/** How often a step of a Workflow is tried, and how long one try may take. */
export interface StepBounds {
  readonly retries: { readonly limit: number; readonly delay: number; readonly backoff: 'exponential' };
  /** Milliseconds. */
  readonly timeout: number;
}

/** The steps of one run of a Workflow: what a step gave once it gives again when the run is taken up anew. */
export interface WorkflowStep {
  do<T>(name: string, bounds: StepBounds, run: () => Promise<T>): Promise<T>;
  /** @param duration in milliseconds */
  sleep(name: string, duration: number): Promise<void>;
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

/** A compiled graph in R2. */
export interface GraphReference {
  readonly key: string;
  /** `sha256:…` of its bytes: nothing else is run. */
  readonly digest: string;
}

/** Which graph the detector Worker is to have, and until when. */
export interface GraphQuestion {
  readonly graph: GraphReference;
  /** What it must have been made from. */
  readonly expected: GraphIdentity;
  /** Instant of `Date.now()` after which an answer is of no use. */
  readonly deadlineAt: number;
}

/** Rows that the detector Worker runs a graph over. */
export interface GraphCall extends GraphQuestion {
  /** Row-major [rows, ...input shape]. */
  readonly inputs: Float32Array;
  /** [rows, ...input shape]. */
  readonly shape: readonly number[];
  /** Rows of the noise bank and their signs, row-major [rows, N]; empty where the plan has no noise. */
  readonly noiseRows: Int32Array;
  readonly noiseSigns: Float32Array;
}

/** What the detector Worker says of a graph that it holds. */
export interface HeldGraph extends GraphIdentity {
  /** `sha256:…` of the graph's bytes. */
  readonly compiledDigest: string;
}

/** What a graph gave. */
export interface GraphOutputs extends HeldGraph {
  /** Row-major [rows, runs, classes]. */
  readonly logits: Float32Array;
  /** Row-major [rows, columns]; undefined where the graph has no such output. */
  readonly changes: Float32Array | undefined;
}

/** An answer that may be a refusal: of an error that is thrown a call between Workers keeps the words alone. */
export type GraphAnswer<T> =
  | { readonly answer: T }
  | { readonly refusal: { readonly code: ErrorCode; readonly detail: string } };

/** The detector Worker's entry point, called over a service binding. */
export interface DetectorBinding {
  score(call: ScoreCall): Promise<ScoreAnswer>;
  /** Opens a graph where it is not open yet. */
  describe(question: GraphQuestion): Promise<GraphAnswer<HeldGraph>>;
  extract(call: GraphCall): Promise<GraphAnswer<GraphOutputs>>;
}

/** A rate limit: whether one more with this key is within it. */
export interface RateLimitBinding {
  limit(options: { readonly key: string }): Promise<{ readonly success: boolean }>;
}

/** What the history of one caller is asked: some inputs that came at once. */
export interface QueryCall {
  readonly inputs: readonly { readonly digest: string; readonly fingerprint: Float64Array }[];
  /** How old earlier inputs may be, in milliseconds. */
  readonly windowMs: number;
}

/** The Durable Objects that keep what callers asked: one a caller, model and noise key. */
export interface QueryHistoryBinding {
  getByName(name: string): {
    /** @returns [inputs]: how many earlier inputs each nearly equals */
    compare(call: QueryCall): Promise<readonly number[]>;
  };
}

/** What a Durable Object keeps its state in: SQLite, which it alone reads and writes. */
export interface ObjectStorage {
  readonly sql: {
    exec<Row>(statement: string, ...values: readonly (string | number | ArrayBuffer)[]): { toArray(): Row[] };
  };
  /** @param at instant of `Date.now()` */
  setAlarm(at: number): Promise<void>;
  deleteAll(): Promise<void>;
}

/** Lets work go on after the answer was sent. */
export type WaitUntil = (work: Promise<unknown>) => void;

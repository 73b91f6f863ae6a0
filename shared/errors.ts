// One error class and one table: what went wrong, the HTTP status and the title that say it.

/** Every way in which a request, a model, an artefact or a neighbour can be wrong. */
export const errorTable = {
  // The request.
  malformed_request: { status: 400, title: 'Malformed request' },
  client_cancelled: { status: 400, title: 'The client went away' },
  unauthorized: { status: 401, title: 'Missing or wrong credentials' },
  forbidden: { status: 403, title: 'Not allowed with these credentials' },
  insufficient_scope: { status: 403, title: 'Credentials without the scope that is needed' },
  blocked: { status: 403, title: 'Input refused by the guard' },
  unknown_model: { status: 404, title: 'Unknown model' },
  not_found: { status: 404, title: 'Not found' },
  method_not_allowed: { status: 405, title: 'Method not allowed' },
  conflict: { status: 409, title: 'Conflict' },
  precondition_failed: { status: 412, title: 'Changed meanwhile' },
  precondition_required: { status: 428, title: 'A precondition is needed' },
  body_too_large: { status: 413, title: 'Body too large' },
  unsupported_media_type: { status: 415, title: 'Unsupported media type' },
  invalid_input: { status: 422, title: 'Input does not fit the model' },
  batch_too_large: { status: 422, title: 'Batch too large' },
  too_many_requests: { status: 429, title: 'Too many requests' },
  // The guard's neighbours.
  overloaded: { status: 503, title: 'Overloaded' },
  credentials_unavailable: { status: 503, title: 'Credentials cannot be checked at the moment' },
  deadline_exceeded: { status: 504, title: 'Deadline exceeded' },
  client_deadline_exceeded: { status: 504, title: 'The deadline of the client has passed' },
  extractor_unreachable: { status: 503, title: 'Activation extraction is unreachable' },
  extractor_unauthorized: { status: 503, title: 'Activation extraction refused the guard' },
  bad_extractor_reply: { status: 502, title: 'Activation extraction answered with nonsense' },
  policy_unavailable: { status: 503, title: 'The policy of this model cannot be read' },
  query_check_unavailable: { status: 503, title: 'Earlier queries cannot be looked up' },
  detector_unavailable: { status: 503, title: 'No detector for this model' },
  upstream_unreachable: { status: 502, title: 'Protected model is unreachable' },
  upstream_timeout: { status: 504, title: 'Protected model did not answer in time' },
  // Models, artefacts, data and configuration.
  invalid_model: { status: 422, title: 'Not a usable model' },
  unsupported_operator: { status: 422, title: 'Unsupported operator' },
  invalid_artefact: { status: 422, title: 'Not a usable detector artefact' },
  invalid_dataset: { status: 422, title: 'Not a usable data set' },
  invalid_config: { status: 500, title: 'Invalid configuration' },
  internal: { status: 500, title: 'Internal error' },
} as const satisfies Record<string, { status: number; title: string }>;

/** A key of {@link errorTable}. */
export type ErrorCode = keyof typeof errorTable;

/** One place in the input that is wrong, as RFC 9457's `errors` extension lists them. */
export interface ErrorPlace {
  /** A JSON pointer, header name or tensor name. */
  readonly pointer: string;
  readonly detail: string;
}

/** What the caller may be told beside the detail. */
export interface GuardErrorOptions {
  readonly cause?: unknown;
  readonly places?: readonly ErrorPlace[];
  /** Seconds after which the caller may try again; becomes `Retry-After`. */
  readonly retryAfterSeconds?: number;
  /** Headers that the answer carries beside. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** The one error that the guard throws on purpose; anything else that is thrown is a bug and becomes `internal`. */
export class GuardError extends Error {
  override readonly name = 'GuardError';
  readonly code: ErrorCode;
  readonly places: readonly ErrorPlace[];
  readonly retryAfterSeconds: number | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: ErrorCode, detail: string, options: GuardErrorOptions = {}) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.places = options.places ?? [];
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.headers = options.headers ?? {};
  }

  /** HTTP status of the answer that reports this error. */
  get status(): number {
    return errorTable[this.code].status;
  }
}

/** Gives any thrown value a code: a `GuardError` as it is, everything else as `internal` with the value as its cause. */
export function asGuardError(thrown: unknown): GuardError {
  if (thrown instanceof GuardError) return thrown;
  return new GuardError('internal', thrown instanceof Error ? thrown.message : String(thrown), {
    cause: thrown,
  });
}

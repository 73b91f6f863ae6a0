// The guard's own figures for Prometheus, of one isolate: whoever scrapes sums over isolates.
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** Buckets of OpenTelemetry's http.server.request.duration with two finer ones below, in seconds. */
const durationBuckets = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
];
/** Scores are differences of two logits: most lie within ±20. */
const scoreBuckets = [-20, -10, -5, -2, -1, 0, 1, 2, 5, 10, 20];
/** A sequential test may end after one forward pass; a plan has 64 copies at most. */
const forwardsBuckets = [1, 2, 3, 4, 5, 7, 9, 17, 33, 65];

/** Every metric that the edge counts; labels hold configured names and codes, never what a caller sent. */
export interface GuardMetrics {
  readonly requests: Counter<'model' | 'mode' | 'verdict'>;
  readonly failures: Counter<'class' | 'policy_outcome'>;
  readonly rejected: Counter<'reason'>;
  readonly pending: Gauge;
  readonly durations: Histogram<'stage'>;
  readonly scores: Histogram<'model'>;
  readonly forwards: Histogram<'model'>;
  readonly detectors: Gauge<'model' | 'version' | 'artefact'>;
  readonly fallbacks: Counter<'model'>;
  readonly policyFailures: Counter<'model'>;
  readonly upstreamIdle: Counter;
  readonly rateLimitFailures: Counter<'policy_outcome'>;
  readonly queryAttacks: Counter<'model' | 'action'>;
  readonly auditFailures: Counter;
  readonly breakers: Gauge<'neighbour'>;
  readonly auditRetries: Counter;
  readonly auditDeleted: Counter;
  readonly jobs: Gauge<'kind' | 'state'>;
  readonly drift: Gauge<'model'>;
  /** The text exposition and its content type. */
  exposition(): Promise<{ readonly body: string; readonly contentType: string }>;
}

/** Makes the metrics in a registry of their own. */
export function guardMetrics(): GuardMetrics {
  const registry = new Registry();
  const registers = [registry];
  return {
    requests: new Counter({
      name: 'guard_requests_total',
      help: 'Requests to a protected model, by what the guard said of them.',
      labelNames: ['model', 'mode', 'verdict'],
      registers,
    }),
    failures: new Counter({
      name: 'guard_failures_total',
      help: 'Requests that could not be scored, and what the policy made of them.',
      labelNames: ['class', 'policy_outcome'],
      registers,
    }),
    rejected: new Counter({
      name: 'guard_rejected_total',
      help: 'Requests answered with a problem, by its code.',
      labelNames: ['reason'],
      registers,
    }),
    pending: new Gauge({
      name: 'guard_pending_requests',
      help: 'Requests whose verdict is being made.',
      registers,
    }),
    durations: new Histogram({
      name: 'guard_detection_duration_seconds',
      help: 'Time that a verdict took, by stage.',
      labelNames: ['stage'],
      buckets: durationBuckets,
      registers,
    }),
    scores: new Histogram({
      name: 'guard_score',
      help: 'Highest score of each scored request; a drift of clean scores means that the threshold is no longer valid.',
      labelNames: ['model'],
      buckets: scoreBuckets,
      registers,
    }),
    forwards: new Histogram({
      name: 'guard_forwards',
      help: 'Rows that the protected model was run over for the score of one row, that row itself among them.',
      labelNames: ['model'],
      buckets: forwardsBuckets,
      registers,
    }),
    detectors: new Gauge({
      name: 'guard_detector_info',
      help: 'Always 1; the labels name the detector in use.',
      labelNames: ['model', 'version', 'artefact'],
      registers,
    }),
    fallbacks: new Counter({
      name: 'guard_scorer_fallbacks_total',
      help: 'Scores that the detector Worker was to check, or to give, and did not.',
      labelNames: ['model'],
      registers,
    }),
    policyFailures: new Counter({
      name: 'guard_policy_failures_total',
      help: 'Times that the policy of a model could not be read; the last known one guards on.',
      labelNames: ['model'],
      registers,
    }),
    upstreamIdle: new Counter({
      name: 'guard_upstream_idle_total',
      help: 'Answers of protected models that stood still after they had begun, and were broken off.',
      registers,
    }),
    rateLimitFailures: new Counter({
      name: 'guard_rate_limit_failures_total',
      help: 'Requests that could not be counted against the limit of their caller, and what became of them.',
      labelNames: ['policy_outcome'],
      registers,
    }),
    queryAttacks: new Counter({
      name: 'guard_query_attacks_total',
      help: 'Requests with an input that nearly equals many earlier ones of the same caller, by what the policy says of them.',
      labelNames: ['model', 'action'],
      registers,
    }),
    auditFailures: new Counter({
      name: 'guard_audit_failures_total',
      help: 'Verdicts that could not be written to the audit; each is in the log whole.',
      registers,
    }),
    auditRetries: new Counter({
      name: 'guard_audit_retries_total',
      help: 'Further tries to write a batch of verdicts to the audit.',
      registers,
    }),
    auditDeleted: new Counter({
      name: 'guard_audit_deleted_total',
      help: 'Verdicts that retention has deleted, by all isolates since the beginning.',
      registers,
    }),
    jobs: new Gauge({
      name: 'guard_jobs',
      help: 'Jobs that there are, of all isolates.',
      labelNames: ['kind', 'state'],
      registers,
    }),
    drift: new Gauge({
      name: 'guard_score_drift',
      help: 'Population stability index of the clean scores of late against the calibration, as the cron last found it.',
      labelNames: ['model'],
      registers,
    }),
    breakers: new Gauge({
      name: 'guard_breaker_state',
      help: 'State of the circuit breaker before a neighbour: 0 closed, 1 half-open, 2 open.',
      labelNames: ['neighbour'],
      registers,
    }),
    async exposition() {
      return { body: await registry.metrics(), contentType: registry.contentType };
    },
  };
}

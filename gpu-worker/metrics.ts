// What the server counts, in Prometheus' text format.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Engine, EngineInfo, SelfCheck } from './engine/engine.ts';
import type { ResidentFigures } from './resident-models.ts';

/** Bounds in seconds: those of OpenTelemetry's http.server.request.duration, with two below for small models. */
const durationBuckets = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
];

/** Counters of one server. */
export interface ServerMetrics {
  /** Says how far the engine is from the processor on a model; nothing of a model that runs on the processor. */
  observeSelfCheck(model: {
    readonly model: string;
    readonly version: string;
    readonly selfCheck: SelfCheck | undefined;
  }): void;
  /** Counts one inference by its model and HTTP status. */
  observeInference(inference: {
    readonly model: string;
    readonly status: number;
    readonly seconds: number;
  }): void;
  /** The text to answer `GET /metrics` with, and its media type. */
  expose(): Promise<{ readonly text: string; readonly contentType: string }>;
}

/** Who counts beside the server itself. */
export interface FigureSources {
  readonly engine?: Engine['figures'] | undefined;
  readonly resident?: (() => ResidentFigures) | undefined;
}

/** Makes the counters; each server has its own registry. */
export function serverMetrics(
  { id, device, workers }: EngineInfo,
  sources: FigureSources = {},
): ServerMetrics {
  const registers = [new Registry()];
  const [registry] = registers;
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: 'gpu_worker_engine_info',
    help: 'Which runtime runs the models, and on what.',
    labelNames: ['engine', 'device'],
    registers,
  }).set({ engine: id, device }, 1);
  new Gauge({ name: 'gpu_worker_workers', help: 'Models that can run at the same time.', registers }).set(
    workers,
  );
  observeFigures(registers, sources);
  const selfChecks = new Gauge({
    name: 'gpu_worker_self_check_error',
    help: 'Largest difference of a model from what the processor computes, relative to the largest value of an output.',
    labelNames: ['model', 'version', 'engine'],
    registers,
  });
  const requests = new Counter({
    name: 'gpu_worker_inferences_total',
    help: 'Inference requests by model and HTTP status.',
    labelNames: ['model', 'status'],
    registers,
  });
  const durations = new Histogram({
    name: 'gpu_worker_inference_duration_seconds',
    help: 'Time from an inference request to its answer.',
    labelNames: ['model'],
    buckets: durationBuckets,
    registers,
  });
  return {
    observeSelfCheck({ model, version, selfCheck }) {
      if (selfCheck === undefined) return;
      selfChecks.set({ model, version, engine: selfCheck.engine }, selfCheck.relativeError);
    },
    observeInference({ model, status, seconds }) {
      requests.inc({ model, status });
      durations.observe({ model }, seconds);
    },
    expose: async () => ({ text: await registry.metrics(), contentType: registry.contentType }),
  };
}

/** What others count, read when somebody asks for the metrics. */
function observeFigures(registers: Registry[], { engine, resident }: FigureSources): void {
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  const counter = (name: string, help: string, read: () => number) => {
    let seen = 0;
    return new Counter({
      name,
      help,
      registers,
      collect() {
        const now = read();
        this.inc(now - seen);
        seen = now;
      },
    });
  };
  if (engine !== undefined) {
    gauge('gpu_worker_waiting_runs', 'Runs that wait for a worker.', () => engine().waitingRuns);
    gauge('gpu_worker_waiting_bytes', 'Bytes of the inputs of runs that wait.', () => engine().waitingBytes);
    counter('gpu_worker_runs_total', 'Runs of models that were asked for.', () => engine().runs);
    counter(
      'gpu_worker_batches_total',
      'Runs of the runtime that they were joined to.',
      () => engine().batches,
    );
  }
  if (resident !== undefined) {
    gauge('gpu_worker_models_loaded', 'Models in memory.', () => resident().loaded);
    gauge('gpu_worker_models_bytes', 'Memory that they are counted with.', () => resident().bytes);
    gauge('gpu_worker_models_bytes_max', 'Memory that they may take together.', () => resident().bytesMax);
    gauge(
      'gpu_worker_load_waiting_runs',
      'Runs that wait for their models to be loaded.',
      () => resident().waitingRuns,
    );
    counter('gpu_worker_model_loads_total', 'Models that were loaded.', () => resident().loads);
    counter(
      'gpu_worker_model_evictions_total',
      'Models unloaded to make room for others.',
      () => resident().evictions,
    );
  }
}

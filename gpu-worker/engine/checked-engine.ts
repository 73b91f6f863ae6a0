// An engine that serves no model before it computed with it what the processor computes.
import { GuardError } from '../../shared/errors.ts';
import { log } from '../../shared/log.ts';
import type { Engine, EngineFigures, LoadedModel, LoadOptions } from './engine.ts';
import { type SelfCheckOptions, selfCheck } from './self-check.ts';

/** How an engine is checked. */
export interface CheckedEngineOptions extends Pick<SelfCheckOptions, 'batches'> {
  /** The engine that is believed. It is closed with the other. */
  readonly reference: Engine;
  /**
   * Starts the engine on which a model runs that this one refuses or fails; called at most once. Without it such a model is not
   * loaded.
   */
  readonly startFallback?: () => Promise<Engine>;
}

/**
 * Checks each model on both engines before it is served.
 *
 * The two are compared when a model is loaded, since what is wrong with an engine depends on the shapes of the model: ONNX Runtime's
 * WebGPU computes some convolutions wrongly by their number of channels alone.
 */
export function checkedEngine(engine: Engine, options: CheckedEngineOptions): Engine {
  const { reference, startFallback, batches } = options;
  let fallback: Promise<Engine> | undefined;

  const loadChecked = async (bytes: Uint8Array, loadOptions: LoadOptions): Promise<LoadedModel> => {
    const expected = await reference.load(bytes, loadOptions);
    try {
      const own = await engine.load(bytes, loadOptions);
      try {
        const relativeError = await selfCheck(own, expected, { ranges: loadOptions.ranges, batches });
        return { ...own, selfCheck: { engine: engine.info.id, relativeError } };
      } catch (cause) {
        await own.release();
        throw cause;
      }
    } finally {
      await expected.release();
    }
  };

  // The fallback's figures count too; they are asked for in passing, so that it is known only once it has started.
  let started: Engine | undefined;
  return {
    info: engine.info,
    figures: () => (started === undefined ? engine.figures() : sumOf(engine.figures(), started.figures())),
    async load(bytes, loadOptions = {}) {
      // Who looks at every tensor of a graph wants their shapes, and no check could afford to run it twice.
      if (loadOptions.optimisation === 'none') return reference.load(bytes, loadOptions);
      try {
        return await loadChecked(bytes, loadOptions);
      } catch (thrown) {
        if (!(thrown instanceof GuardError)) throw thrown;
        if (startFallback === undefined) {
          throw new GuardError(thrown.code, `${engine.info.id}: ${thrown.message}`, { cause: thrown });
        }
        fallback ??= startFallback();
        started = await fallback;
        const own = await started.load(bytes, loadOptions);
        log('warn', 'engine.model_on_fallback', { engine: engine.info.id, cause: thrown });
        return own;
      }
    },
    async close() {
      await Promise.all([engine.close(), reference.close(), fallback?.then((other) => other.close())]);
    },
  };
}

function sumOf(left: EngineFigures, right: EngineFigures): EngineFigures {
  return {
    waitingRuns: left.waitingRuns + right.waitingRuns,
    waitingBytes: left.waitingBytes + right.waitingBytes,
    batches: left.batches + right.batches,
    runs: left.runs + right.runs,
  };
}

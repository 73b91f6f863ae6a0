// Models within a bound of memory: one that is asked for is loaded, and those least recently used make room for it.
import { GuardError } from '../shared/errors.ts';
import { log } from '../shared/log.ts';
import { sha256Digest } from '../shared/noise/noise-key.ts';
import type { Engine, LoadedModel, LoadOptions } from './engine/engine.ts';
import { freeBuffer } from './engine/free-buffer.ts';
import { WaitingRuns } from './waiting-runs.ts';

/** How much is held. */
export interface ResidentBounds {
  /** Memory of all models that are loaded at the same time; see `memoryOf`. */
  readonly bytesMax: number;
  /** Runs that may wait for their models to be loaded, and the bytes of their inputs. */
  readonly waitingRunsMax: number;
  readonly waitingBytesMax: number;
}

/** A file and where it is read again after its model was unloaded. */
export interface ModelSource {
  /** Taken over: empty once the model was unloaded. */
  readonly bytes: Uint8Array;
  readonly reread: () => Promise<Uint8Array>;
  readonly options?: LoadOptions | undefined;
}

/** What is held and what became of it. */
export interface ResidentFigures {
  readonly loaded: number;
  readonly bytes: number;
  readonly bytesMax: number;
  readonly loads: number;
  /** Models that were unloaded to make room. */
  readonly evictions: number;
  /** Runs that wait for their models to be loaded. */
  readonly waitingRuns: number;
}

interface Entry {
  readonly digest: string;
  readonly source: Omit<ModelSource, 'bytes'>;
  /** Bytes of memory that it is counted with. */
  memory: number;
  /** Undefined while it is not loaded, and from when it is to make room: who comes then waits for the next load. */
  loaded: LoadedModel | undefined;
  /** What it was loaded from, which the engine keeps for threads that take the place of others. */
  file: Uint8Array | undefined;
  loading: boolean;
  running: number;
  /** Called when the last run has ended. */
  idle: (() => void) | undefined;
}

/** What a session took beside its weights, with small networks over 17 rows. */
const sessionBytes = 2 * 1024 * 1024;
const bytesPerMegabyte = 1024 * 1024;

/**
 * Memory of a model: its file, kept for a thread that takes the place of another, the weights in each thread, and what a session
 * needs. Of twelve compiled LeNet-5 in two threads, each took 5.8 MB where its file had 1.0, and 34.7 where it had 12.5.
 */
export function memoryOf(fileBytes: number, workers: number): number {
  return fileBytes + workers * (fileBytes + sessionBytes);
}

/** Models of one engine by the digests of their files. */
export class ResidentModels {
  readonly #engine: Pick<Engine, 'info' | 'load'>;
  readonly #bytesMax: number;
  readonly #waiting: WaitingRuns<LoadedModel>;
  readonly #entries = new Map<string, Promise<[Entry, LoadedModel]>>();
  /** Those that are loaded, the least recently used first. */
  readonly #resident = new Set<Entry>();
  #bytes = 0;
  #loads = 0;
  #evictions = 0;
  /** Loads follow each other, so that each knows what room there is. */
  #lastLoad: Promise<unknown> = Promise.resolve();

  constructor(engine: Pick<Engine, 'info' | 'load'>, bounds: ResidentBounds) {
    this.#engine = engine;
    this.#bytesMax = bounds.bytesMax;
    this.#waiting = new WaitingRuns({ runsMax: bounds.waitingRunsMax, bytesMax: bounds.waitingBytesMax });
  }

  get figures(): ResidentFigures {
    return {
      loaded: this.#resident.size,
      bytes: this.#bytes,
      bytesMax: this.#bytesMax,
      loads: this.#loads,
      evictions: this.#evictions,
      waitingRuns: this.#waiting.length,
    };
  }

  /**
   * Loads a model; a file that is loaded already is not loaded twice. From then on it is loaded again whenever a run finds it unloaded,
   * and never unloaded under its runs.
   * @throws GuardError `invalid_config` where the model alone is over the bound; what `Engine.load` throws. Its runs throw what
   *   `LoadedModel.run` does, `deadline_exceeded` and `overloaded` for waiting until it is loaded too, and `internal` where its file
   *   cannot be loaded again
   */
  async load({ bytes, reread, options }: ModelSource): Promise<LoadedModel> {
    const digest = await sha256Digest(bytes);
    const first = this.#entries.get(digest) ?? this.#add({ digest, source: { reread, options } }, bytes);
    this.#entries.set(digest, first);
    const [entry, loaded] = await first;
    return {
      ...(loaded.selfCheck !== undefined && { selfCheck: loaded.selfCheck }),
      inputs: loaded.inputs,
      outputs: loaded.outputs,
      run: async (feeds, bounds = {}) => {
        const size = Object.values(feeds).reduce((sum, { data }) => sum + data.byteLength, 0);
        const held = await this.#hold(entry, { ...bounds, bytes: size });
        try {
          return await held.run(feeds, bounds);
        } finally {
          entry.running--;
          if (entry.running === 0) entry.idle?.();
        }
      },
      release: async () => {
        this.#entries.delete(digest);
        await this.#unload(entry);
      },
    };
  }

  async #add(
    { digest, source }: Pick<Entry, 'digest' | 'source'>,
    bytes: Uint8Array,
  ): Promise<[Entry, LoadedModel]> {
    const memory = memoryOf(bytes.length, this.#engine.info.workers);
    if (memory > this.#bytesMax) {
      const [needed, allowed] = [memory, this.#bytesMax].map((count) => Math.ceil(count / bytesPerMegabyte));
      throw new GuardError(
        'invalid_config',
        `the model needs about ${needed} MB of memory, and ${allowed} MB are allowed for all models (GPU_WORKER_MEMORY_MB)`,
      );
    }
    const entry: Entry = {
      digest,
      source,
      memory,
      loaded: undefined,
      file: undefined,
      loading: false,
      running: 0,
      idle: undefined,
    };
    return [entry, await this.#inTurn(() => this.#bring(entry, bytes))];
  }

  /** The model with a run more that it may not be unloaded under. */
  async #hold(entry: Entry, waiting: Parameters<WaitingRuns<LoadedModel>['wait']>[1]): Promise<LoadedModel> {
    if (entry.loaded !== undefined) {
      entry.running++;
      this.#resident.delete(entry);
      this.#resident.add(entry);
      return entry.loaded;
    }
    const held = this.#waiting.wait(entry.digest, waiting);
    if (!entry.loading) void this.#loadAgain(entry);
    return held;
  }

  /** Loads a model once for all who wait for it. */
  async #loadAgain(entry: Entry): Promise<void> {
    entry.loading = true;
    try {
      await this.#inTurn(async () => {
        // They may all have given up meanwhile.
        if (!this.#waiting.has(entry.digest)) return;
        const loaded = await this.#bring(entry, await reread(entry));
        entry.running += this.#waiting.admit(entry.digest, loaded);
      });
    } catch (cause) {
      const error = new GuardError('internal', `model ${entry.digest} could not be loaded again`, { cause });
      log('error', 'model.not_loaded', { digest: entry.digest, cause: error });
      this.#waiting.refuse(entry.digest, error);
    } finally {
      entry.loading = false;
    }
    if (this.#waiting.has(entry.digest)) await this.#loadAgain(entry);
  }

  async #bring(entry: Entry, file: Uint8Array): Promise<LoadedModel> {
    const needed = memoryOf(file.length, this.#engine.info.workers);
    await this.#makeRoom(needed, entry);
    const [startedAt, before] = [performance.now(), process.memoryUsage.rss()];
    const loaded = await this.#engine.load(file, entry.source.options);
    // What the runs of its warm-up took shows here, where memory that others gave back did not serve for it.
    entry.memory = Math.max(needed, process.memoryUsage.rss() - before);
    this.#bytes += entry.memory;
    this.#loads++;
    entry.loaded = loaded;
    entry.file = file;
    this.#resident.add(entry);
    await this.#makeRoom(0, entry);
    const ms = Math.round(performance.now() - startedAt);
    log('info', 'model.loaded', { digest: entry.digest, bytes: entry.memory, ms });
    return loaded;
  }

  async #makeRoom(needed: number, beside: Entry): Promise<void> {
    while (this.#bytes + needed > this.#bytesMax) {
      const [oldest, ...others] = [...this.#resident].filter((entry) => entry !== beside);
      if (oldest === undefined) return;
      // One whose runs never end would keep all others out: where none is idle, the oldest takes no new runs.
      const victim = [oldest, ...others].find(({ running }) => running === 0) ?? oldest;
      this.#evictions++;
      await this.#unload(victim);
      log('info', 'model.unloaded', { digest: victim.digest });
    }
  }

  async #unload(entry: Entry): Promise<void> {
    const { loaded } = entry;
    if (loaded === undefined) return;
    entry.loaded = undefined;
    this.#resident.delete(entry);
    if (entry.running > 0) {
      const ended = Promise.withResolvers<void>();
      entry.idle = ended.resolve;
      await ended.promise;
      entry.idle = undefined;
    }
    await loaded.release();
    if (entry.file !== undefined) freeBuffer(entry.file);
    entry.file = undefined;
    this.#bytes -= entry.memory;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#lastLoad.then(work);
    this.#lastLoad = done.catch(() => undefined);
    return done;
  }
}

/** The file of a model that was loaded before. Another one would answer under the digest of the first. */
async function reread({ digest, source }: Entry): Promise<Uint8Array> {
  const file = await source.reread();
  if ((await sha256Digest(file)) !== digest)
    throw new GuardError('invalid_model', 'its file is not what it was when it was first loaded');
  return file;
}

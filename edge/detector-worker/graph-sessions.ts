// Which compiled graphs one isolate holds open: each is loaded once, and the least recently used closed beyond the bound.
import { GuardError } from '../../shared/errors.ts';
import { log } from '../../shared/log.ts';
import type { GraphReference, WaitUntil } from '../bindings.ts';
import { withinDeadline } from '../guard/within-deadline.ts';

/** What holds memory until it is released. */
export interface OpenGraph {
  release(): Promise<void>;
}

/** How graphs are loaded, and how many of them are held. */
export interface GraphSessionsOptions<Opened extends OpenGraph> {
  /** Gives the bytes of a graph, which are those of its digest. */
  readonly read: (graph: GraphReference) => Promise<Uint8Array>;
  readonly open: (bytes: Uint8Array, graph: GraphReference) => Promise<Opened>;
  /** Bytes of the files of all graphs that are held. */
  readonly bytesMax: number;
  readonly now?: () => number;
  readonly sleep?: (ms: number) => Promise<void>;
}

/** Whose call it is. */
export interface GraphMoment {
  /** Instant of `Date.now()`. */
  readonly deadlineAt: number;
  readonly waitUntil: WaitUntil;
}

/** The graphs of one isolate. */
export interface GraphSessions<Opened extends OpenGraph> {
  /**
   * Works with a graph, which is loaded first where it is not held. It is not closed while `work` runs, which must not wait for
   * anything from outside: a call can be ended at such a place without a word.
   * @throws GuardError `deadline_exceeded`, `detector_unavailable` where the graph cannot be had, or what `work` throws
   */
  use<T>(graph: GraphReference, moment: GraphMoment, work: (opened: Opened) => Promise<T>): Promise<T>;
}

interface Held<Opened> {
  readonly opened: Opened;
  readonly bytes: number;
  users: number;
  removed: boolean;
}

/** Time after which whoever loads a graph is taken for dead: a call can end under it. */
const loadMsMax = 20_000;
/** How often a call looks whether another one has loaded its graph. */
const lookEveryMs = 10;
/** How long a graph that could not be loaded is not tried again: each try may read megabytes. */
const refusedMs = 1_000;

const nameOf = ({ key, digest }: GraphReference) => JSON.stringify([key, digest]);

/** Makes it, with nothing held. */
export function graphSessions<Opened extends OpenGraph>({
  read,
  open,
  bytesMax,
  now = Date.now,
  sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
}: GraphSessionsOptions<Opened>): GraphSessions<Opened> {
  // By digest, the least recently used first. Values, not promises: a promise of one call must not be awaited by another.
  const held = new Map<string, Held<Opened>>();
  // By key and digest: the same digest may lie sound under another key.
  const refusals = new Map<string, { readonly error: GuardError; readonly until: number }>();
  // One at a time, whichever graph it is: a load takes several times the memory of its file.
  let loading: { readonly until: number } | undefined;

  const close = async (digest: string, one: Held<Opened>): Promise<void> => {
    held.delete(digest);
    one.removed = true;
    if (one.users === 0) await one.opened.release();
  };
  const makeRoom = async (bytes: number): Promise<void> => {
    for (const [digest, one] of held) {
      const total = [...held.values()].reduce((sum, each) => sum + each.bytes, 0);
      if (total + bytes <= bytesMax) return;
      await close(digest, one);
    }
  };
  const load = async (graph: GraphReference): Promise<void> => {
    const bytes = await read(graph);
    await makeRoom(bytes.length);
    const opened = await open(bytes, graph);
    // Whoever was taken for dead may have loaded it all the same.
    if (held.has(graph.digest)) return opened.release();
    held.set(graph.digest, { opened, bytes: bytes.length, users: 0, removed: false });
  };
  const loadOnce = async (graph: GraphReference): Promise<void> => {
    const lease = { until: now() + loadMsMax };
    loading = lease;
    try {
      await load(graph);
      refusals.delete(nameOf(graph));
    } catch (cause) {
      const error =
        cause instanceof GuardError
          ? cause
          : new GuardError('detector_unavailable', 'the compiled graph cannot be opened', { cause });
      log('error', 'graph.refused', { key: graph.key, digest: graph.digest, error });
      refusals.set(nameOf(graph), { error, until: now() + refusedMs });
      throw error;
    } finally {
      if (loading === lease) loading = undefined;
    }
  };
  const acquire = async (
    graph: GraphReference,
    { deadlineAt, waitUntil }: GraphMoment,
  ): Promise<Held<Opened>> => {
    for (;;) {
      const known = held.get(graph.digest);
      if (known !== undefined) {
        held.delete(graph.digest);
        held.set(graph.digest, known);
        return known;
      }
      const refused = refusals.get(nameOf(graph));
      if (refused !== undefined && refused.until > now()) throw refused.error;
      if (now() >= deadlineAt) throw new GuardError('deadline_exceeded', 'the graph was not loaded in time');
      if (loading !== undefined && loading.until > now()) {
        await sleep(lookEveryMs);
        continue;
      }
      const work = loadOnce(graph);
      // A load that other calls wait for must not end with the call that began it.
      waitUntil(work.catch(() => undefined));
      await withinDeadline(work, deadlineAt, 'the loading of the graph');
    }
  };
  return {
    async use(graph, moment, work) {
      const one = await acquire(graph, moment);
      one.users++;
      try {
        return await work(one.opened);
      } finally {
        one.users--;
        if (one.removed && one.users === 0) await one.opened.release();
      }
    },
  };
}

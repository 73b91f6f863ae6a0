// Which blocks of our source and of the parsers beneath have run, as V8 counts them.
import { type Profiler, Session } from 'node:inspector';

/** A place in a function's source, where it was not known to have run. */
interface Spot {
  readonly known: Uint8Array;
  readonly at: number;
}

/** Counting under way. */
export interface BlockCoverage {
  /** What ran, since the last time this was asked, and is not yet known. */
  takeNew(): readonly Spot[];
  /** Makes it known. */
  learn(spots: readonly Spot[]): void;
  /** Characters of source that are known to have run. */
  readonly covered: number;
  stop(): void;
}

/** Source that guides: our own rooms and the libraries that parse. */
const guiding = /\/(?:shared|gpu-worker|edge)\/[^?]*\.ts$|\/node_modules\/(?:fflate|modern-tar|@bufbuild)\//;

/** Starts to count in this thread; what runs meanwhile is about a third slower. */
export function startBlockCoverage(): BlockCoverage {
  const session = new Session();
  session.connect();
  session.post('Profiler.enable');
  session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  /** By function: 1 for each character that has run. A function has its own, since the source of inner ones lies in it. */
  const known = new Map<string, Uint8Array>();
  let covered = 0;
  const newSpots = (scriptId: string, { ranges }: Profiler.FunctionCoverage): Spot[] => {
    const [{ startOffset, endOffset, count }, ...inner] = ranges;
    if (count === 0) return [];
    const ran = new Uint8Array(endOffset - startOffset).fill(1);
    // Inner ranges follow those that they lie in.
    for (const range of inner) {
      ran.fill(range.count > 0 ? 1 : 0, range.startOffset - startOffset, range.endOffset - startOffset);
    }
    const key = `${scriptId}:${startOffset}:${endOffset}`;
    const map = known.get(key) ?? new Uint8Array(ran.length);
    known.set(key, map);
    const spots: Spot[] = [];
    for (let at = 0; at < ran.length; at++) if (ran[at] > map[at]) spots.push({ known: map, at });
    return spots;
  };
  return {
    takeNew: () =>
      takeCoverage(session)
        .filter(({ url }) => guiding.test(url))
        .flatMap(({ scriptId, functions }) => functions.flatMap((own) => newSpots(scriptId, own))),
    learn(spots) {
      for (const { known: map, at } of spots) {
        if (map[at] === 0) covered++;
        map[at] = 1;
      }
    },
    get covered() {
      return covered;
    },
    stop() {
      session.post('Profiler.stopPreciseCoverage');
      session.disconnect();
    },
  };
}

function takeCoverage(session: Session): readonly Profiler.ScriptCoverage[] {
  // The session is of this thread and answers before `post` returns.
  let taken: readonly Profiler.ScriptCoverage[] = [];
  session.post('Profiler.takePreciseCoverage', (error, answer) => {
    if (error) throw error;
    taken = answer.result;
  });
  return taken;
}

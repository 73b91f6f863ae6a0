// When work of mode shadow may begin: in a pause of the traffic, and under traffic without a pause for a small share of the time.

/** Time without a request after which there is a pause: shorter than between the requests of a person, longer than between those of a program. */
const pauseMs = 20;
/** Scorings at once in a pause. */
const scoringsMax = 4;
/** Time after which one that never said its end is forgotten: an isolate's requests can end without a word. */
const scoringMsMax = 90_000;
/** Share of the time that can be saved up, so that a scoring longer than its share can begin at all. */
const savedMsMax = 50;
/** How often who waits looks again: at first, and at most. */
const lookMs = { first: pauseMs + 5, most: 200 } as const;
/** How long a scoring waits for its turn; work behind an answer is ended by the platform after 30 s. */
export const turnMsMax = 10_000;

/** What a pace is made of. */
export interface PaceOptions {
  /** Share of the time, in percent, that scorings take while there is no pause; at 100 nothing waits. */
  readonly sharePercent: number;
  /** Milliseconds. */
  readonly now?: () => number;
  readonly sleep?: (ms: number) => Promise<void>;
}

/** Paces the scorings of one isolate. It holds numbers alone, no promise of one request that another would wait for. */
export interface ShadowPace {
  /** A request has come or was answered. */
  noticeRequest(): void;
  /** Waits for the turn of a scoring. @returns what is to be called at its end; undefined where it waited in vain */
  turn(): Promise<(() => void) | undefined>;
}

/** Makes it, with no traffic yet. */
export function shadowPace({
  sharePercent,
  now = Date.now,
  sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
}: PaceOptions): ShadowPace {
  const share = sharePercent / 100;
  const begun = new Set<{ readonly at: number }>();
  let lastRequestAt = Number.NEGATIVE_INFINITY;
  let savedMs = 0;
  let savedAt = now();
  const save = (at: number) => {
    savedMs = Math.min(savedMsMax, savedMs + (at - savedAt) * share);
    savedAt = at;
  };
  const mayBegin = (at: number) => {
    if (share >= 1) return true;
    for (const one of begun) if (at - one.at >= scoringMsMax) begun.delete(one);
    if (at - lastRequestAt >= pauseMs) return begun.size < scoringsMax;
    save(at);
    return savedMs > 0 && begun.size === 0;
  };
  return {
    noticeRequest() {
      lastRequestAt = now();
    },
    async turn() {
      const until = now() + turnMsMax;
      for (let wait: number = lookMs.first; !mayBegin(now()); wait = Math.min(2 * wait, lookMs.most)) {
        if (now() >= until) return undefined;
        await sleep(wait);
      }
      const scoring = { at: now() };
      begun.add(scoring);
      return () => {
        if (!begun.delete(scoring)) return;
        const at = now();
        save(at);
        // What it took beyond its share is made up for before the next begins.
        savedMs -= at - scoring.at;
      };
    },
  };
}

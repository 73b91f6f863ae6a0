// Writes what many requests have to write in few batches, with a bounded retry: what comes within 50 ms, or while a batch is under way, goes together.

/** Items of one batch: a statement each, and D1 runs them as one transaction. */
const batchItemsMax = 50;
/** Times that a batch is tried, and the waits between, in milliseconds. */
const retryDelaysMs = [100, 500] as const;
/** Time that one try may take. */
const attemptMsMax = 2_000;
/** After this time whoever leads is taken for dead: a request can be ended by the platform under its work. */
const leadMsMax = 8_000;
/** Time that an item waits for its turn; work behind an answer is ended by the platform after 30 s. */
const waitMsMax = 12_000;
/** Items that wait at once, of some kB each. */
const waitingItemsMax = 4_096;
/** Batches that one request writes before it leaves the rest to another. */
const leadBatchesMax = 8;
/**
 * Time that a leader gathers before its first batch. A write costs the same for one row and for ten, and on a single thread it
 * would stand in the way of the answer that is just being forwarded.
 */
const gatherMs = 50;
/** How often a waiting request looks whether its item is written: first, and at most. */
const lookMs = { first: gatherMs + 10, most: 200 } as const;

/** How batches are written. */
export interface GroupCommitOptions<Item> {
  /** Writes all of the items or none; may be called with an item that was written already. */
  readonly write: (items: readonly Item[]) => Promise<void>;
  /** Called before each further try. */
  readonly onRetry: () => void;
}

interface Pending<Item> {
  readonly item: Item;
  readonly since: number;
  state: 'waiting' | 'taken' | 'written' | 'failed';
  cause?: unknown;
}

/**
 * Makes a function that writes one item and ends once it is written. One caller at a time writes for all who wait. The others
 * look at the state of their own item, as in workerd no request may await what another one has begun; where the leader dies
 * with its request, one of them takes its place. So nothing is lost that did not throw.
 * @returns rejects where the last try has failed, or the item could not wait any longer
 */
export function groupCommit<Item>(options: GroupCommitOptions<Item>): (item: Item) => Promise<void> {
  const waiting: Pending<Item>[] = [];
  let leadUntil = 0;
  let isFailing = false;

  const lead = async () => {
    leadUntil = Date.now() + leadMsMax;
    await sleep(gatherMs);
    for (let batch = 0; batch < leadBatchesMax && waiting.length > 0; batch++) {
      leadUntil = Date.now() + leadMsMax;
      const taken = waiting.splice(0, batchItemsMax);
      for (const one of taken) one.state = 'taken';
      // While the database is gone each batch is tried once, so that those who wait do not wait for all retries before theirs.
      const cause = await attempts(options, { items: taken.map(({ item }) => item), retries: !isFailing });
      isFailing = cause !== undefined;
      for (const one of taken) {
        one.state = isFailing ? 'failed' : 'written';
        one.cause = cause;
      }
    }
    leadUntil = 0;
  };

  return async (item) => {
    if (waiting.length >= waitingItemsMax) throw new Error('too many writes are waiting');
    const pending: Pending<Item> = { item, since: Date.now(), state: 'waiting' };
    waiting.push(pending);
    let wait: number = lookMs.first;
    while (pending.state !== 'written') {
      if (pending.state === 'failed') throw pending.cause;
      if (Date.now() >= leadUntil) {
        // Taken by a leader that is gone: whether it was written nobody knows, so it is written again.
        if (pending.state === 'taken') requeue(waiting, pending);
        await lead();
      } else if (pending.state === 'waiting' && Date.now() - pending.since > waitMsMax) {
        waiting.splice(waiting.indexOf(pending), 1);
        throw new Error(`not written within ${waitMsMax} ms`);
      } else {
        await sleep(wait);
        wait = Math.min(2 * wait, lookMs.most);
      }
    }
  };
}

/** What the last try failed with; undefined where one succeeded. */
async function attempts<Item>(
  { write, onRetry }: GroupCommitOptions<Item>,
  { items, retries }: { readonly items: readonly Item[]; readonly retries: boolean },
): Promise<unknown> {
  const delays = retries ? retryDelaysMs : [];
  for (let attempt = 0; ; attempt++) {
    try {
      await withinMs(write(items), attemptMsMax);
      return undefined;
    } catch (cause) {
      if (attempt >= delays.length) return cause ?? new Error('the write failed');
      onRetry();
      await sleep(delays[attempt]);
    }
  }
}

function requeue<Item>(waiting: Pending<Item>[], pending: Pending<Item>): void {
  pending.state = 'waiting';
  waiting.push(pending);
}

async function withinMs(work: Promise<void>, limitMs: number): Promise<void> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`no answer within ${limitMs} ms`)), limitMs);
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

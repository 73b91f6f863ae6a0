// Writing in groups: nothing is lost that does not throw, whatever the database or the request that leads does.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { groupCommit } from '../../../edge/clients/group-commit.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);

/** Runs writes to their end, whatever they wait for. */
async function settle(writes: readonly Promise<void>[]): Promise<PromiseSettledResult<void>[]> {
  const settled = Promise.allSettled(writes);
  await vi.runAllTimersAsync();
  return settled;
}

describe('items that come together', () => {
  it('are written together, at most fifty at once', async () => {
    const batches: number[][] = [];
    const commit = groupCommit<number>({
      async write(items) {
        batches.push([...items]);
        await new Promise((resolve) => setTimeout(resolve, 3));
      },
      onRetry: () => undefined,
    });
    const settled = await settle(numbers(120).map(commit));
    expect(settled.every(({ status }) => status === 'fulfilled')).toBe(true);
    expect(batches.map(({ length }) => length)).toEqual([50, 50, 20]);
    expect(batches.flat()).toEqual(numbers(120));
  });
});

describe('where a write fails', () => {
  it('it is tried again, and nobody hears of it', async () => {
    let calls = 0;
    const onRetry = vi.fn();
    const write = async () => {
      if (++calls <= 2) throw new Error('locked');
    };
    const settled = await settle([groupCommit<number>({ write, onRetry })(1)]);
    expect(settled[0].status).toBe('fulfilled');
    expect(onRetry).toHaveBeenCalledTimes(2);
  });

  it('for good, each item is told so after three tries, and what comes later gets one until one succeeds', async () => {
    const write = vi.fn(async () => {
      throw new Error('gone');
    });
    const commit = groupCommit<number>({ write, onRetry: () => undefined });
    const first = await settle([commit(1), commit(2)]);
    expect(first.map((one) => one.status === 'rejected' && (one.reason as Error).message)).toEqual([
      'gone',
      'gone',
    ]);
    expect(write).toHaveBeenCalledTimes(3);
    expect((await settle([commit(4)]))[0].status).toBe('rejected');
    expect(write).toHaveBeenCalledTimes(4);
    write.mockImplementation(async () => undefined as never);
    expect((await settle([commit(3)]))[0].status).toBe('fulfilled');
  });

  it('by not answering, it ends in time: 50 ms of gathering and 3 tries of 2 s with 0.6 s between', async () => {
    const commit = groupCommit<number>({ write: () => new Promise(() => {}), onRetry: () => undefined });
    const startedAt = Date.now();
    const failing = expect(commit(1)).rejects.toThrow('no answer within 2000 ms');
    await vi.runAllTimersAsync();
    await failing;
    expect(Date.now() - startedAt).toBe(6_650);
  });

  it('what finds too much waiting is refused at once', async () => {
    const commit = groupCommit<number>({ write: () => new Promise(() => {}), onRetry: () => undefined });
    for (const number of numbers(4_096)) void commit(number);
    const surplus = commit(9_999);
    await expect(surplus).rejects.toThrow('too many writes are waiting');
  });
});

describe('where the request that leads is ended by the platform', () => {
  it('the next one takes its place', async () => {
    const written: number[] = [];
    let isFirst = true;
    const commit = groupCommit<number>({
      write(items) {
        // A request that is gone: neither its work nor its timers go on.
        if (isFirst) {
          isFirst = false;
          vi.clearAllTimers();
          return new Promise(() => {});
        }
        written.push(...items);
        return Promise.resolve();
      },
      onRetry: () => undefined,
    });
    void commit(1);
    await vi.advanceTimersByTimeAsync(51);
    vi.clearAllTimers();
    const second = commit(2);
    await vi.runAllTimersAsync();
    await second;
    expect(written).toEqual([2]);
  });
});

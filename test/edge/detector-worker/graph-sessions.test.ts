// Graphs in memory: loaded once however many ask, closed in the order of their use, and never under somebody's hands.
import { describe, expect, it } from 'vitest';
import { type GraphMoment, graphSessions } from '../../../edge/detector-worker/graph-sessions.ts';
import { GuardError } from '../../../shared/errors.ts';

const graphOf = (name: string) => ({ key: `graphs/${name}.onnx`, digest: `sha256:${name}` });

/** Sessions over a store that counts, with graphs of ten bytes and room for two. */
function counting(read?: (name: string) => Promise<Uint8Array>) {
  const reads: string[] = [];
  const open = new Set<string>();
  const background: Promise<unknown>[] = [];
  let at = 1_000;
  const sessions = graphSessions({
    read: async ({ digest }) => {
      reads.push(digest.slice(7));
      await Promise.resolve();
      return read === undefined ? new Uint8Array(10) : read(digest.slice(7));
    },
    open: async (_bytes, { digest }) => {
      const name = digest.slice(7);
      open.add(name);
      return { name, release: async () => void open.delete(name) };
    },
    bytesMax: 20,
    now: () => at,
    sleep: async (ms) => {
      at += ms;
      await new Promise((resolve) => setImmediate(resolve));
    },
  });
  const moment = (leftMs = 60_000): GraphMoment => ({
    // `withinDeadline` reads the clock of the machine, the sessions one of their own: neither is near its end here.
    deadlineAt: leftMs <= 0 ? at : Date.now() + leftMs,
    waitUntil: (work) => void background.push(work),
  });
  const use = (name: string, leftMs?: number) =>
    sessions.use(graphOf(name), moment(leftMs), async (opened) => opened.name);
  const pass = (ms: number) => {
    at += ms;
  };
  return { sessions, reads, open, background, moment, use, pass };
}

describe('the graphs of an isolate', () => {
  it('are loaded once for all who ask meanwhile', async () => {
    const { use, reads, background } = counting();
    expect(await Promise.all(Array.from({ length: 5 }, () => use('a')))).toEqual(Array(5).fill('a'));
    expect(reads).toEqual(['a']);
    expect(background).toHaveLength(1);
  });

  it('are closed in the order of their last use where there is no room', async () => {
    const { use, reads, open } = counting();
    for (const name of ['a', 'b', 'a', 'c']) await use(name);
    expect([...open].sort()).toEqual(['a', 'c']);
    await use('b');
    expect([...open].sort()).toEqual(['b', 'c']);
    expect(reads).toEqual(['a', 'b', 'c', 'b']);
  });

  it('are not closed while somebody works with them', async () => {
    const { sessions, use, open, moment } = counting();
    const { promise: end, resolve } = Promise.withResolvers<void>();
    await use('a');
    const working = sessions.use(graphOf('a'), moment(), () => end);
    await use('b');
    await use('c');
    expect(open.has('a')).toBe(true);
    resolve();
    await working;
    expect([...open].sort()).toEqual(['b', 'c']);
  });

  it('are not asked for again at once where one is refused, and are after a second', async () => {
    let isThere = false;
    const { use, reads, pass } = counting(async () => {
      if (!isThere) throw new GuardError('detector_unavailable', 'there is no compiled graph');
      return new Uint8Array(10);
    });
    const refused = await Promise.allSettled([use('a'), use('a'), use('a')]);
    for (const one of refused) expect(one).toMatchObject({ reason: { code: 'detector_unavailable' } });
    expect(reads).toEqual(['a']);
    isThere = true;
    await expect(use('a')).rejects.toThrow('there is no compiled graph');
    pass(1_001);
    expect(await use('a')).toBe('a');
    expect(reads).toEqual(['a', 'a']);
  });

  it('are loaded by somebody else where whoever loads one dies', async () => {
    let reading = 0;
    const { use, reads } = counting(() => {
      return ++reading === 1 ? new Promise<never>(() => undefined) : Promise.resolve(new Uint8Array(10));
    });
    void use('a');
    // 20 seconds of a clock that passes with every look.
    expect(await use('a')).toBe('a');
    expect(reads).toEqual(['a', 'a']);
  });

  it('end a call at its deadline, and what is not an error of the guard is one to it', async () => {
    const { use } = counting(async () => {
      throw new TypeError('broken');
    });
    await expect(use('a', 0)).rejects.toMatchObject({ code: 'deadline_exceeded' });
    await expect(use('a')).rejects.toMatchObject({ code: 'detector_unavailable' });
  });
});

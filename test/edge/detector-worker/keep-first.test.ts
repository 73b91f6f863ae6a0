// Concurrent cold requests: each opens a session, and one is left.
import { expect, it } from 'vitest';
import { keepFirst } from '../../../edge/detector-worker/keep-first.ts';

it('keeps the first session of an artefact and releases the others', async () => {
  const released: string[] = [];
  const open = (name: string) => ({ name, session: { release: async () => void released.push(name) } });
  const kept = new Map<string, ReturnType<typeof open>>();
  const opened = ['first', 'second', 'third'].map((name) => keepFirst(kept, 'a', open(name)));
  expect((await Promise.all(opened)).map(({ name }) => name)).toEqual(['first', 'first', 'first']);
  expect((await keepFirst(kept, 'b', open('other'))).name).toBe('other');
  expect(released).toEqual(['second', 'third']);
});

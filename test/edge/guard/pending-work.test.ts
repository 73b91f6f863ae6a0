// How much an isolate takes on: counted in requests and in bytes, and given back whatever becomes of a request.
import { expect, it } from 'vitest';
import { pendingWork } from '../../../edge/guard/pending-work.ts';

it('admits as many requests as it is told, and another for each that ended', () => {
  const work = pendingWork({ requestsMax: 2, bytesMax: 100, lastsMs: 10 }, () => 0);
  const leave = work.admit(1)!;
  expect(work.admit(1)).toBeDefined();
  expect(work.admit(1)).toBeUndefined();
  leave();
  // A request that says it twice has left once.
  leave();
  expect(work.requests).toBe(1);
  expect(work.admit(1)).toBeDefined();
  expect(work.admit(1)).toBeUndefined();
});

it.each([
  ['one byte less', 59, true],
  ['as many', 60, true],
  ['one byte more', 61, false],
])('admits bodies of as many bytes as it is told: %s', (_what, bytes, admitted) => {
  const work = pendingWork({ requestsMax: 9, bytesMax: 100, lastsMs: 10 }, () => 0);
  work.admit(40);
  expect(work.admit(bytes) !== undefined).toBe(admitted);
});

it('takes back the places of requests that never said how they ended', () => {
  let time = 0;
  const work = pendingWork({ requestsMax: 2, bytesMax: 100, lastsMs: 10 }, () => time);
  work.admit(1);
  time = 5;
  const late = work.admit(1)!;
  time = 10;
  expect(work.admit(1)).toBeDefined();
  expect(work.admit(1)).toBeUndefined();
  time = 15;
  expect(work.admit(1)).toBeDefined();
  // Its place was taken back: it has none to give.
  late();
  expect(work.requests).toBe(2);
});

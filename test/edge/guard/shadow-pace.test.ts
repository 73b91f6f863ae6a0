// When scorings of mode shadow begin: at once in a pause, now and then under traffic without one, and never all of them.
import { expect, it } from 'vitest';
import { shadowPace, turnMsMax } from '../../../edge/guard/shadow-pace.ts';

/** A pace whose time goes on while somebody waits; `meanwhile` happens in each millisecond of it. */
function pacedTime(sharePercent: number) {
  let time = 1_000_000;
  const meanwhile = { run: () => {} };
  // In steps, so that requests can come within a wait.
  const pass = (ms: number) => {
    for (let step = 0; step < ms; step++) {
      time++;
      meanwhile.run();
    }
  };
  const now = () => time;
  const pace = shadowPace({ sharePercent, now, sleep: async (ms) => pass(ms) });
  return { pace, meanwhile, now, pass };
}

it('begins at once where no request came of late, four at a time', async () => {
  const { pace, now, pass } = pacedTime(5);
  const at = now();
  const ends = await Promise.all([pace.turn(), pace.turn(), pace.turn(), pace.turn()]);
  expect(now()).toBe(at);
  expect(ends.every((end) => end !== undefined)).toBe(true);
  const fifth = pace.turn();
  pass(1);
  ends[0]?.();
  expect(await fifth).toBeDefined();
  expect(now()).toBeGreaterThan(at);
});

it('waits for a pause after a request', async () => {
  const { pace, now } = pacedTime(1);
  (await pace.turn())?.();
  pace.noticeRequest();
  const at = now();
  expect(await pace.turn()).toBeDefined();
  expect(now() - at).toBeGreaterThanOrEqual(20);
  expect(now() - at).toBeLessThan(60);
});

it.each([5, 20])('takes %i percent of the time where requests never pause', async (sharePercent) => {
  const { pace, meanwhile, now, pass } = pacedTime(sharePercent);
  meanwhile.run = () => pace.noticeRequest();
  pace.noticeRequest();
  const at = now();
  let scored = 0;
  while (now() - at < 60_000) {
    const end = await pace.turn();
    if (end === undefined) continue;
    pass(10);
    end();
    scored++;
  }
  const percent = (100 * scored * 10) / (now() - at);
  expect(percent).toBeGreaterThan(0.6 * sharePercent);
  expect(percent).toBeLessThanOrEqual(1.1 * sharePercent);
});

it('gives up where its turn does not come, and forgets who never said the end', async () => {
  const { pace, meanwhile, now, pass } = pacedTime(5);
  meanwhile.run = () => pace.noticeRequest();
  pace.noticeRequest();
  expect(await pace.turn()).toBeDefined();
  const at = now();
  expect(await pace.turn()).toBeUndefined();
  expect(now() - at).toBeGreaterThanOrEqual(turnMsMax);
  pass(90_000);
  expect(await pace.turn()).toBeDefined();
});

it('makes nobody wait at a share of 100', async () => {
  const { pace, now } = pacedTime(100);
  pace.noticeRequest();
  const at = now();
  for (let index = 0; index < 20; index++) expect(await pace.turn()).toBeDefined();
  expect(now()).toBe(at);
});

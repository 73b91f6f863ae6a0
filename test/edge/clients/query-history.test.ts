// The history of one caller over a real SQLite: what it counts, forgets, and finds again.
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import type { ObjectStorage } from '../../../edge/bindings.ts';
import { queryHistory } from '../../../edge/clients/query-history.ts';
import { queriesKeptMax } from '../../../shared/limits.ts';

/** What a Durable Object is given, with its alarm laid open. */
function objectStorage() {
  const database = new DatabaseSync(':memory:');
  const state = { alarmAt: Number.NaN, deleted: 0 };
  const storage: ObjectStorage = {
    sql: {
      exec<Row>(statement: string, ...values: readonly (string | number | ArrayBuffer)[]) {
        const bound = values.map((value) => (value instanceof ArrayBuffer ? new Uint8Array(value) : value));
        const rows = database.prepare(statement).all(...bound);
        const plain = rows.map((row) =>
          Object.fromEntries(
            Object.entries(row).map(([name, value]) => [
              name,
              // As workerd gives them.
              value instanceof Uint8Array ? value.slice().buffer : value,
            ]),
          ),
        );
        return { toArray: () => plain as Row[] };
      },
    },
    async setAlarm(at) {
      state.alarmAt = at;
    },
    async deleteAll() {
      state.deleted++;
      database.exec('DROP TABLE queries');
    },
  };
  const count = () => Number(database.prepare('SELECT count(*) AS rows FROM queries').get()!.rows);
  return { storage, state, count };
}

const windowMs = 60_000;
/** Hashes of which `number` says a few: those of all numbers of one family are near-duplicates. */
const query = (family: number, number: number) => ({
  digest: `sha256:${family}-${number}`,
  fingerprint: Float64Array.from({ length: 50 }, (_, index) => {
    return index < 40 ? family * 1000 + index : 1e6 * (family * 10_000 + number + 1) + index;
  }),
});
const asked = (...inputs: ReturnType<typeof query>[]) => ({ inputs, windowMs });

describe('the history of a caller', () => {
  it('counts earlier inputs that are nearly the same, and no others', () => {
    const history = queryHistory(objectStorage().storage);
    expect(history.compare(asked(query(1, 1)))).toEqual([0]);
    expect(history.compare(asked(query(2, 1)))).toEqual([0]);
    expect(history.compare(asked(query(1, 2)))).toEqual([1]);
    expect(history.compare(asked(query(1, 3), query(1, 4), query(2, 2)))).toEqual([2, 3, 1]);
    expect(history.compare(asked())).toEqual([]);
  });

  it('neither counts nor keeps the very same input again', () => {
    const { storage, count } = objectStorage();
    const history = queryHistory(storage);
    for (let attempt = 0; attempt < 5; attempt++) {
      expect(history.compare(asked(query(1, 1), query(1, 1)))).toEqual([0, 0]);
    }
    expect(count()).toBe(1);
  });

  it('is there again when its object starts anew', () => {
    const { storage } = objectStorage();
    queryHistory(storage).compare(asked(query(1, 1), query(1, 2)));
    expect(queryHistory(storage).compare(asked(query(1, 3), query(1, 1)))).toEqual([2, 2]);
  });

  it('forgets what is older than the window', async () => {
    const { storage, state, count } = objectStorage();
    let now = 1_000_000;
    const history = queryHistory(storage, () => now);
    history.compare(asked(query(1, 1)));
    expect(state.alarmAt).toBe(now + windowMs);
    now += 40_000;
    expect(history.compare(asked(query(1, 2)))).toEqual([1]);
    // A shorter window counts what is within it alone, and forgets nothing.
    expect(history.compare({ ...asked(query(1, 3)), windowMs: 30_000 })).toEqual([1]);
    now += 20_000;
    expect(history.compare(asked(query(1, 4)))).toEqual([2]);
    now = state.alarmAt;
    await history.forget();
    expect(state.alarmAt).toBeGreaterThan(now);
    now = state.alarmAt;
    await history.forget();
    expect(state.deleted).toBe(1);
    expect(history.compare(asked(query(1, 5)))).toEqual([0]);
    expect(count()).toBe(1);
    expect(state.alarmAt).toBe(now + windowMs);
  });

  it('keeps no more than its bound: the oldest goes', () => {
    const { storage, count } = objectStorage();
    const history = queryHistory(storage);
    history.compare(asked(query(1, 1)));
    for (let number = 0; number < queriesKeptMax; number++) history.compare(asked(query(2, number)));
    expect(count()).toBe(queriesKeptMax);
    expect(history.compare(asked(query(1, 2)))).toEqual([0]);
  });
});

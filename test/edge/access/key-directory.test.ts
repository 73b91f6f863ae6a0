// The bounds of what an isolate remembers of keys, by a clock that the test moves. The running edge is tested in keys.test.ts.
import { beforeEach, describe, expect, it } from 'vitest';
import {
  askingMsMax,
  keyAgeInOutageMsMax,
  keyAgeMsMax,
  keyAgeWhileAskedMsMax,
  keyDirectory,
  knownKeysMax,
  unknownIdsMax,
} from '../../../edge/access/key-directory.ts';
import type { StoredKey } from '../../../edge/clients/key-store.ts';

const rows = new Map<string, StoredKey>();
let asked: string[] = [];
let answer: () => Promise<void> = async () => undefined;
let at = 0;

const store = {
  async read(id: string) {
    asked.push(id);
    const row = rows.get(id);
    await answer();
    return row;
  },
};

function keyOf(id: string): StoredKey {
  return {
    id,
    name: id,
    scopes: ['infer'],
    models: null,
    rate_limit: null,
    created_at: '2026-01-01T00:00:00Z',
    created_by: 'operator-token',
    expires_at: null,
    revoked_at: null,
    secret_digest: '00',
  };
}

beforeEach(() => {
  rows.clear();
  rows.set('key_a', keyOf('key_a'));
  asked = [];
  answer = async () => undefined;
  at = 1_000_000;
});

describe('a known key', () => {
  it('is believed for its age, then asked for anew', async () => {
    const directory = keyDirectory({ store, now: () => at });
    await directory.find('key_a');
    at += keyAgeMsMax - 1;
    await directory.find('key_a');
    expect(asked).toHaveLength(1);
    rows.set('key_a', { ...keyOf('key_a'), revoked_at: '2026-01-02T00:00:00Z' });
    at += 1;
    expect((await directory.find('key_a'))?.revoked_at).not.toBeNull();
    expect(asked).toHaveLength(2);
  });

  it('is asked for by one request at a time while it is not too old, and by each afterwards', async () => {
    const directory = keyDirectory({ store, now: () => at });
    await directory.find('key_a');
    at += keyAgeMsMax;
    const { promise, resolve } = Promise.withResolvers<void>();
    answer = () => promise;
    const asking = directory.find('key_a');
    expect(await directory.find('key_a')).toBeDefined();
    expect(asked).toHaveLength(2);
    at += askingMsMax;
    const alsoAsking = directory.find('key_a');
    expect(asked).toHaveLength(3);
    // Too old by now, whoever asks.
    at = 1_000_000 + keyAgeWhileAskedMsMax;
    const third = directory.find('key_a');
    expect(asked).toHaveLength(4);
    resolve();
    await Promise.all([asking, alsoAsking, third]);
  });

  it('is believed while the store fails, with a pause between two tries, but not for ever', async () => {
    const directory = keyDirectory({ store, now: () => at });
    await directory.find('key_a');
    answer = () => Promise.reject(new Error('away'));
    at += keyAgeInOutageMsMax - askingMsMax;
    expect(await directory.find('key_a')).toBeDefined();
    at += askingMsMax - 1;
    expect(await directory.find('key_a')).toBeDefined();
    expect(asked).toHaveLength(2);
    at += 1;
    await expect(directory.find('key_a')).rejects.toThrow('away');
  });

  it('that was forgotten is asked for', async () => {
    const directory = keyDirectory({ store, now: () => at });
    await directory.find('key_a');
    directory.forget('key_a');
    await directory.find('key_a');
    expect(asked).toHaveLength(2);
  });
});

describe('an unknown key', () => {
  it('is remembered as none for as long, and never where the store failed', async () => {
    const directory = keyDirectory({ store, now: () => at });
    answer = () => Promise.reject(new Error('away'));
    await expect(directory.find('key_b')).rejects.toThrow('away');
    answer = async () => undefined;
    expect(await directory.find('key_b')).toBeUndefined();
    at += keyAgeMsMax - 1;
    expect(await directory.find('key_b')).toBeUndefined();
    expect(asked).toHaveLength(2);
    rows.set('key_b', keyOf('key_b'));
    at += 1;
    expect(await directory.find('key_b')).toBeDefined();
  });
});

describe('what is remembered', () => {
  it('has bounds: guesses displace guesses alone, and keys those that were not used for longest', async () => {
    const directory = keyDirectory({ store, now: () => at });
    await directory.find('key_a');
    for (let index = 0; index <= unknownIdsMax; index++) await directory.find(`key_none${index}`);
    asked = [];
    await directory.find('key_a');
    await directory.find(`key_none${unknownIdsMax}`);
    expect(asked).toEqual([]);
    await directory.find('key_none0');
    expect(asked).toEqual(['key_none0']);
    for (let index = 0; index < knownKeysMax; index++) rows.set(`key_${index}`, keyOf(`key_${index}`));
    await directory.find('key_0');
    await directory.find('key_a');
    for (let index = 1; index < knownKeysMax; index++) await directory.find(`key_${index}`);
    asked = [];
    await directory.find('key_a');
    expect(asked).toEqual([]);
    await directory.find('key_0');
    expect(asked).toEqual(['key_0']);
  });
});

// The keys that this isolate has seen, within bounds of number and age: most requests are checked without the database.
import type { KeyStore, StoredKey } from '../clients/key-store.ts';

/** Age up to which a key is believed without asking, in milliseconds. */
export const keyAgeMsMax = 5_000;
/** Age up to which it is believed while another request asks, so that not all of them do. Revoking takes as long. */
export const keyAgeWhileAskedMsMax = 10_000;
/** Age up to which a key that was good is believed while the database fails. */
export const keyAgeInOutageMsMax = 300_000;
/** Time for which one request alone asks for a key that is known: in an outage the others do not wait with it. */
export const askingMsMax = 1_000;
/** Keys that are remembered, and ids of which there is no key: those are forgotten among themselves, so that guesses displace no key. */
export const knownKeysMax = 4_096;
export const unknownIdsMax = 1_024;

/** Where keys are looked up. */
export interface KeyDirectory {
  /**
   * A key by its id, revoked and expired ones too; undefined where there is none.
   * @throws GuardError `credentials_unavailable` where the database fails and the key is not known here
   */
  find(id: string): Promise<StoredKey | undefined>;
  /** Asks anew for a key that was changed through this isolate. */
  forget(id: string): void;
}

interface KnownKey {
  readonly key: StoredKey;
  /** When what is known was asked for. */
  readonly askedAt: number;
  /** When it was last asked for again. */
  askedAgainAt: number;
}

/** Makes the directory over a store. */
export function keyDirectory({
  store,
  now = Date.now,
}: {
  readonly store: Pick<KeyStore, 'read'>;
  readonly now?: () => number;
}): KeyDirectory {
  // Values, not promises: a promise of one request must not be awaited by another that outlives it.
  const known = new Map<string, KnownKey>();
  const unknown = new Map<string, number>();
  /** Whether the last that the database did was to fail. */
  let isFailing = false;
  const forget = (id: string) => {
    known.delete(id);
    unknown.delete(id);
  };
  const ask = async (id: string): Promise<StoredKey | undefined> => {
    const askedAt = now();
    const key = await store.read(id);
    isFailing = false;
    forget(id);
    if (key === undefined) remember(unknown, { id, value: askedAt, max: unknownIdsMax });
    else remember(known, { id, value: { key, askedAt, askedAgainAt: askedAt }, max: knownKeysMax });
    return key;
  };
  const askAgain = async (id: string, entry: KnownKey): Promise<StoredKey | undefined> => {
    entry.askedAgainAt = now();
    try {
      return await ask(id);
    } catch (thrown) {
      isFailing = true;
      if (now() - entry.askedAt < keyAgeInOutageMsMax) return entry.key;
      throw thrown;
    }
  };
  return {
    async find(id) {
      const at = now();
      const entry = known.get(id);
      if (entry === undefined) {
        const missedAt = unknown.get(id);
        return missedAt !== undefined && at - missedAt < keyAgeMsMax ? undefined : ask(id);
      }
      const age = at - entry.askedAt;
      const isAsked = entry.askedAgainAt > entry.askedAt && at - entry.askedAgainAt < askingMsMax;
      const ageWhileAskedMax = isFailing ? keyAgeInOutageMsMax : keyAgeWhileAskedMsMax;
      if (age >= keyAgeMsMax && !(isAsked && age < ageWhileAskedMax)) return askAgain(id, entry);
      // What is used stays: the first of the map is what was not for longest.
      known.delete(id);
      known.set(id, entry);
      return entry.key;
    },
    forget,
  };
}

function remember<T>(
  map: Map<string, T>,
  { id, value, max }: { readonly id: string; readonly value: T; readonly max: number },
): void {
  map.set(id, value);
  for (const oldest of map.keys()) {
    if (map.size <= max) return;
    map.delete(oldest);
  }
}

// Concurrent first requests each open a session: one is kept, the others are given back.

/** What holds memory until it is released. */
export interface Releasable {
  readonly session: { release(): Promise<void> };
}

/** Keeps what was opened where it is the first under its key; else releases it and gives the one that is kept. */
export async function keepFirst<Opened extends Releasable>(
  kept: Map<string, Opened>,
  key: string,
  opened: Opened,
): Promise<Opened> {
  const first = kept.get(key);
  if (first === undefined) {
    kept.set(key, opened);
    return opened;
  }
  await opened.session.release();
  return first;
}

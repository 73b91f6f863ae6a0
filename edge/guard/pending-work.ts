// Bounds what one isolate has under way: beyond them work is refused at once, since it would only end past its deadline.

/** Bounds of one kind of work. */
export interface PendingBounds {
  readonly requestsMax: number;
  /** Bytes of their bodies. */
  readonly bytesMax: number;
  /**
   * Time after which the work of a request has surely ended: then its place is free whatever became of it, since a request whose
   * client goes away can end without a word.
   */
  readonly lastsMs: number;
}

/** Work that is under way. */
export interface PendingWork {
  readonly requests: number;
  /**
   * Asks for leave of one request.
   * @param bytes of its body
   * @returns what is to be called once it has ended; undefined where there is no place for it
   */
  admit(bytes: number): (() => void) | undefined;
}

interface Place {
  readonly bytes: number;
  readonly endsAt: number;
}

/** Makes it, with nothing under way. */
export function pendingWork(
  { requestsMax, bytesMax, lastsMs }: PendingBounds,
  now: () => number = Date.now,
): PendingWork {
  const places = new Set<Place>();
  let bytesPending = 0;
  const leave = (place: Place) => {
    if (places.delete(place)) bytesPending -= place.bytes;
  };
  /** Places are in the order of their ends. */
  const clear = () => {
    const at = now();
    for (const place of places) {
      if (place.endsAt > at) return;
      leave(place);
    }
  };
  const hasRoom = (bytes: number) => places.size < requestsMax && bytesPending + bytes <= bytesMax;
  return {
    get requests() {
      return places.size;
    },
    admit(bytes) {
      if (!hasRoom(bytes)) clear();
      if (!hasRoom(bytes)) return undefined;
      const place = { bytes, endsAt: now() + lastsMs };
      places.add(place);
      bytesPending += bytes;
      return () => leave(place);
    },
  };
}

// Reads a body to its end, counting: a length that a header states is a claim, not a limit.

/** How much is read. */
export interface ReadBounds {
  readonly bytesMax: number;
  /**
   * Bytes beyond the limit that are still taken and thrown away: most clients read no answer before they have sent their
   * body, and would see a broken connection instead of the refusal.
   */
  readonly discardedBytesMax?: number;
}

/**
 * Reads the body of a message of at most so many bytes. One of a stated length is read in one go, which is far cheaper: it ends
 * there, as HTTP has no other end for it.
 * @returns the bytes; undefined where there are more of them
 */
export async function readMessageBody(
  message: Request | Response,
  bounds: ReadBounds,
): Promise<Uint8Array | undefined> {
  const stated = message.headers.get('content-length');
  // The length of a body with a coding is that of fewer bytes than are read.
  const isPlain = stated !== null && !message.headers.has('content-encoding');
  if (!isPlain || !(Number(stated) <= bounds.bytesMax)) return readBounded(message.body, bounds);
  const bytes = new Uint8Array(await message.arrayBuffer());
  return bytes.length <= bounds.bytesMax ? bytes : undefined;
}

/**
 * Reads a stream of at most so many bytes.
 * @returns the bytes; undefined where there are more of them
 */
export async function readBounded(
  stream: ReadableStream<Uint8Array> | null,
  { bytesMax, discardedBytesMax = 0 }: ReadBounds,
): Promise<Uint8Array | undefined> {
  if (stream === null) return new Uint8Array(0);
  const reader = stream.getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.length;
    if (length > bytesMax + discardedBytesMax) {
      // Not awaited: a sender that keeps its connection open must not keep the answer waiting.
      reader.cancel().catch(() => undefined);
      return undefined;
    }
    if (length > bytesMax) chunks.length = 0;
    else chunks.push(value);
  }
  if (length > bytesMax) return undefined;
  if (chunks.length === 1) return chunks[0];
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return bytes;
}

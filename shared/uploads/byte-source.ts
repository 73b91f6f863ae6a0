// Where an upload's bytes come from: memory here, a file or an R2 object elsewhere.

/** Bytes that can be read as a stream or a part at a time; the same bytes each time. */
export interface ByteSource {
  readonly size: number;
  /** All bytes from `offset` on, in chunks of any size; none where `offset` is the size. */
  stream(offset?: number): ReadableStream<Uint8Array>;
  /** `length` bytes from `offset` on, which may be none; fewer only where the source ends before. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/**
 * A source over bytes in memory.
 * @param chunkBytes size of the chunks that its streams give
 */
export function memorySource(bytes: Uint8Array, chunkBytes = 64 * 1024): ByteSource {
  return {
    size: bytes.length,
    stream(offset = 0) {
      let at = offset;
      return new ReadableStream<Uint8Array>(
        {
          pull(controller) {
            if (at >= bytes.length) return controller.close();
            controller.enqueue(bytes.slice(at, at + chunkBytes));
            at += chunkBytes;
          },
        },
        { highWaterMark: 0 },
      );
    },
    read: (offset, length) => Promise.resolve(bytes.slice(offset, offset + length)),
  };
}

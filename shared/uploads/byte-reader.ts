// Takes bytes out of chunks of any size, so that what is read does not depend on how a stream was cut.

/** Reads forward through chunks; whoever makes one closes it. */
export class ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array(0);
  #at = 0;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /**
   * Copies the next bytes into the whole of `target`.
   * @returns how many there were: fewer than asked only at the end
   */
  async fill(target: Uint8Array): Promise<number> {
    let filled = 0;
    while (filled < target.length && (await this.#more())) {
      const part = this.#chunk.subarray(this.#at, this.#at + target.length - filled);
      target.set(part, filled);
      filled += part.length;
      this.#at += part.length;
    }
    return filled;
  }

  /**
   * Passes over bytes.
   * @returns how many there were: fewer than asked only at the end
   */
  async skip(count: number): Promise<number> {
    let skipped = 0;
    while (skipped < count && (await this.#more())) {
      const step = Math.min(count - skipped, this.#chunk.length - this.#at);
      skipped += step;
      this.#at += step;
    }
    return skipped;
  }

  /** Whether nothing is left. */
  async atEnd(): Promise<boolean> {
    return !(await this.#more());
  }

  /** Lets the stream go, wherever it stands. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  /** Makes the next byte be in the chunk at hand; false at the end. */
  async #more(): Promise<boolean> {
    while (this.#at === this.#chunk.length) {
      const { done, value } = await this.#chunks.next();
      if (done) return false;
      this.#chunk = value;
      this.#at = 0;
    }
    return true;
  }
}

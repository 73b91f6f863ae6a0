// A local file as the readers of uploads take it: a stream or a part at a time, never the whole.
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { GuardError } from '../../shared/errors.ts';
import type { ByteSource } from '../../shared/uploads/byte-source.ts';

/**
 * Makes a source over a file, which must not change while it is read.
 * @throws GuardError `invalid_dataset` where there is no such file
 */
export async function fileSource(path: string): Promise<ByteSource> {
  const found = await stat(path).catch((cause: unknown) => {
    throw new GuardError('invalid_dataset', `${path} cannot be read`, { cause });
  });
  if (!found.isFile()) throw new GuardError('invalid_dataset', `${path} is no file`);
  return {
    size: found.size,
    stream: (start = 0) => Readable.toWeb(createReadStream(path, { start })) as ReadableStream<Uint8Array>,
    async read(offset, length) {
      await using file = await open(path);
      const bytes = new Uint8Array(Math.max(0, Math.min(length, found.size - offset)));
      let held = 0;
      while (held < bytes.length) {
        const { bytesRead } = await file.read(bytes, held, bytes.length - held, offset + held);
        if (bytesRead === 0) break;
        held += bytesRead;
      }
      return bytes.subarray(0, held);
    },
  };
}

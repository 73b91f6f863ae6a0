// A local file as the readers of uploads take it: a stream or a part at a time, never the whole.
import { type FileHandle, open, stat } from 'node:fs/promises';
import { GuardError } from '../../shared/errors.ts';
import type { ByteSource } from '../../shared/uploads/byte-source.ts';

/** Bytes that a stream reads at once. */
const chunkBytes = 64 * 1024;

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
    stream: (offset = 0) => fileStream(path, offset),
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

/** Reads a chunk when one is asked for. `Readable.toWeb` would read ahead up to 65,536 of them. */
function fileStream(path: string, offset: number): ReadableStream<Uint8Array> {
  let file: FileHandle | undefined;
  let at = offset;
  const close = async () => {
    await file?.close();
    file = undefined;
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        file ??= await open(path);
        const { bytesRead, buffer } = await file.read(new Uint8Array(chunkBytes), 0, chunkBytes, at);
        at += bytesRead;
        if (bytesRead > 0) return controller.enqueue(buffer.subarray(0, bytesRead));
        await close();
        controller.close();
      },
      cancel: close,
    },
    { highWaterMark: 0 },
  );
}

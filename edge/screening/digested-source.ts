// The digest of an object that is read: taken from what the reader of the upload reads anyway, where it reads all of it.
import { GuardError } from '../../shared/errors.ts';
import { toHex } from '../../shared/noise/noise-key.ts';
import type { ByteSource } from '../../shared/uploads/byte-source.ts';
import type { JobObjects } from './job-objects.ts';

/** A digest that is fed by a stream: workerd's own, which computes outside of JavaScript. */
interface DigestStream extends WritableStream<Uint8Array> {
  readonly digest: Promise<ArrayBuffer>;
}

/** An object as the readers of uploads take it, and its digest. */
export interface DigestedSource {
  readonly source: ByteSource;
  /** `sha256:…` of all bytes; where no stream gave all of them from first to last, they are read once more. */
  digest(): Promise<string>;
}

/**
 * Makes the source of an object.
 * @throws GuardError `internal` where there is no such object
 */
export async function digestedSource(key: string, objects: JobObjects): Promise<DigestedSource> {
  const source = await objects.source(key);
  let whole: string | undefined;
  const stream = (offset = 0) => {
    const bytes = source.stream(offset);
    return offset > 0 || whole !== undefined ? bytes : digesting(bytes, (digest) => (whole = digest));
  };
  return {
    source: { ...source, stream },
    digest: async () => whole ?? objectDigest(key, objects),
  };
}

/** The same bytes; tells their digest once the last of them was taken. */
function digesting(
  bytes: ReadableStream<Uint8Array>,
  done: (digest: string) => void,
): ReadableStream<Uint8Array> {
  const digest = digestStream();
  const writer = digest.getWriter();
  const reader = bytes.getReader();
  // Of a stream that is not read to its end nobody wants the digest.
  digest.digest.catch(() => undefined);
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done: isOver, value } = await reader.read();
        if (!isOver) {
          await writer.write(value);
          return controller.enqueue(value);
        }
        await writer.close();
        done(digestOf(await digest.digest));
        controller.close();
      },
      async cancel(reason) {
        await writer.abort(reason).catch(() => undefined);
        await reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}

/** The bytes go from R2 into the digest without passing through the isolate. */
async function objectDigest(key: string, objects: JobObjects): Promise<string> {
  const stream = digestStream();
  const bytes = await objects.open(key);
  if (bytes === undefined) throw new GuardError('internal', `the object ${key} is gone`);
  await bytes.pipeTo(stream);
  return digestOf(await stream.digest);
}

function digestStream(): DigestStream {
  const { DigestStream } = crypto as unknown as { DigestStream: new (algorithm: string) => DigestStream };
  return new DigestStream('SHA-256');
}

function digestOf(digest: ArrayBuffer): string {
  return `sha256:${toHex(new Uint8Array(digest))}`;
}

// The files and parts of an upload as rows of D1.
import type { UploadedFile } from '../../shared/contracts/screening-job.ts';
import type { D1Binding } from '../bindings.ts';

/** A part that lies in the bucket. */
export interface StoredPart {
  readonly part: number;
  readonly etag: string;
  readonly bytes: number;
}

/** Where the parts of uploads are written down. */
export type UploadStore = ReturnType<typeof uploadStore>;

/** Makes the store over a database that has edge/migrations applied. */
export function uploadStore(database: D1Binding) {
  const files = async (job: string) => {
    const sql = 'SELECT file, upload_id FROM screening_files WHERE job = ? ORDER BY file';
    const { results } = await database.prepare(sql).bind(job).all<{ file: string; upload_id: string }>();
    return results.map(({ file, upload_id: uploadId }) => ({ file, uploadId }));
  };
  const parts = async (job: string, file: string): Promise<readonly StoredPart[]> => {
    const sql = 'SELECT part, etag, bytes FROM screening_parts WHERE job = ? AND file = ? ORDER BY part';
    return (await database.prepare(sql).bind(job, file).all<StoredPart>()).results;
  };
  return {
    /** Files of a job with R2's names of their uploads, by name. */
    files,

    /** The parts of a file, by number. */
    parts,

    /** Keeps the name of an upload; the first that is kept stays, and is given back. */
    async addFile(job: string, { file, uploadId }: { file: string; uploadId: string }): Promise<string> {
      await database
        .prepare('INSERT INTO screening_files (job, file, upload_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING')
        .bind(job, file, uploadId)
        .run();
      const known = await files(job);
      return known.find((one) => one.file === file)?.uploadId ?? uploadId;
    },

    /** Keeps a part; one that is sent again takes the place of the earlier. */
    async putPart(job: string, file: string, { part, etag, bytes }: StoredPart): Promise<void> {
      await database
        .prepare(
          `INSERT INTO screening_parts (job, file, part, etag, bytes) VALUES (?, ?, ?, ?, ?)
            ON CONFLICT (job, file, part) DO UPDATE SET etag = excluded.etag, bytes = excluded.bytes`,
        )
        .bind(job, file, part, etag, bytes)
        .run();
    },

    /** What was sent so far, by file. */
    async summary(job: string): Promise<UploadedFile[]> {
      const known = await files(job);
      return Promise.all(
        known.map(async ({ file }) => ({
          file,
          parts: (await parts(job, file)).map(({ part, bytes }) => ({ part, bytes })),
        })),
      );
    },
  };
}

// A folder of rows of a long table: one JSON file a row as it is done, so that a killed run goes on.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { z } from 'zod';
import { GuardError } from '../../shared/errors.ts';
import { writeWhole } from './write-file.ts';

/** Where a row is kept. */
export interface KeptRowOptions<Row> {
  /** Folder; nothing is kept where it is undefined. */
  readonly folder: string | undefined;
  readonly name: string;
  /** Everything that the row follows from, as JSON. */
  readonly from: unknown;
  readonly schema: z.ZodType<Row>;
  /** Told of a file that cannot be read and is made again. */
  readonly onDamaged: (detail: string) => void;
}

/**
 * Gives a row by way of the folder: read where a file of its name and of a digest of everything that it follows from is there,
 * made and written otherwise. A damaged file is made again.
 * @throws GuardError `not_found` where a file is there and cannot be opened
 */
export async function keptRow<Row>(
  { folder, name, from, schema, onDamaged }: KeptRowOptions<Row>,
  make: () => Promise<Row>,
): Promise<Row> {
  if (folder === undefined) return make();
  const key = createHash('sha256').update(JSON.stringify(from)).digest('hex').slice(0, 24);
  const path = join(folder, `${name.replaceAll(/[^\w.-]/g, '_')}-${key}.json`);
  const text = await readIfThere(path);
  if (text !== undefined) {
    const kept = schema.safeParse(parsed(text));
    if (kept.success) return kept.data;
    onDamaged(`${path} is damaged; it is made again`);
  }
  const row = await make();
  await writeWhole(path, `${JSON.stringify(row, null, 2)}\n`);
  return row;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new GuardError('not_found', `${path} cannot be read: ${String(cause)}`, { cause });
  }
}

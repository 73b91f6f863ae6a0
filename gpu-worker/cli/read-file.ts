// Files that the command line names: as bytes, or as JSON of a known shape.
import { readFile } from 'node:fs/promises';
import type { z } from 'zod';
import { type ErrorCode, GuardError } from '../../shared/errors.ts';

/**
 * Reads a file.
 * @throws GuardError `not_found` where it cannot be read
 */
export async function readInput(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    const reason =
      (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such file' : String(cause);
    throw new GuardError('not_found', `${path}: ${reason}`, { cause });
  }
}

/**
 * Reads a JSON file.
 * @param code of the error where the file is no JSON or has another shape, which names the first place that is wrong
 * @throws GuardError `not_found` where it cannot be read
 */
export async function readJson<Schema extends z.ZodType>(
  path: string,
  schema: Schema,
  code: ErrorCode,
): Promise<z.output<Schema>> {
  const text = (await readInput(path)).toString('utf8');
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new GuardError(code, `${path} is not JSON`, { cause });
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [{ path: place, message }] = parsed.error.issues;
  throw new GuardError(code, [path, ...(place.length === 0 ? [] : [place.join('.')]), message].join(': '));
}

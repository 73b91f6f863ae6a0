// A digest of the source and its packages: figures that another version made are not taken for this one's.
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const root = new URL('../../', import.meta.url);

/** @returns 16 hexadecimal digits */
export async function codeDigest(): Promise<string> {
  const hash = createHash('sha256');
  for (const folder of ['shared/', 'gpu-worker/']) {
    const names = await readdir(fileURLToPath(new URL(folder, root)), { recursive: true });
    for (const name of names.filter((each) => each.endsWith('.ts')).sort()) {
      hash.update(name).update(await readFile(new URL(`${folder}${name}`, root)));
    }
  }
  hash.update(await readFile(new URL('package.json', root)));
  return hash.digest('hex').slice(0, 16);
}

// Cases that broke something, a file each: kept beside the tests, which run them from then on.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Findings of one kind, told by their message and where they were thrown. */
export interface FindingFiles {
  /**
   * Keeps the first case of a kind.
   * @returns a line that tells it; undefined where the kind is known
   */
  keep(thrown: unknown, bytes: Uint8Array): string | undefined;
}

/** Cases of a folder in the order of their names; none where it is absent. */
export function readCases(folder: string): { readonly name: string; readonly bytes: Uint8Array }[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .sort()
    .map((name) => ({ name, bytes: new Uint8Array(readFileSync(join(folder, name))) }));
}

/** Writes cases to a folder, each under its digest. */
export function writeCases(folder: string, cases: readonly Uint8Array[]): void {
  if (cases.length > 0) mkdirSync(folder, { recursive: true });
  for (const bytes of cases) writeFileSync(join(folder, caseName(bytes)), bytes);
}

/** Keeps findings in a folder. */
export function findingFiles(folder: string): FindingFiles {
  const kinds = new Set<string>();
  return {
    keep(thrown, bytes) {
      const kind = kindOf(thrown);
      if (kinds.has(kind)) return undefined;
      kinds.add(kind);
      writeCases(folder, [bytes]);
      const told = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
      return `${join(folder, caseName(bytes))}: ${told}`;
    },
  };
}

function caseName(bytes: Uint8Array): string {
  return `${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}.bin`;
}

function kindOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const place = thrown.stack?.split('\n').find((line) => line.includes('    at '));
  return `${thrown.name} ${thrown.message.slice(0, 80).replaceAll(/[\d.]+/g, '#')} ${place ?? ''}`;
}

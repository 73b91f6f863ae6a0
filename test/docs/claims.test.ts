// Documents that name tests: each file is there, and each test has the name that is said.
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const document = readFileSync(new URL('../../docs/aisvs.md', import.meta.url), 'utf8');

/** A path, and the names behind it up to the next path or the end of the cell. */
const claims = [...document.matchAll(/`(test\/[\w./-]+\.test\.ts)`((?:[^|`]*?"[^"|]+")*)/g)].map((match) => ({
  path: match[1],
  names: [...match[2].matchAll(/"([^"]+)"/g)].map(([, name]) => name),
}));

describe('the table of requirements', () => {
  it('has tests behind it', () => {
    expect(claims.length).toBeGreaterThan(20);
  });

  it.each(claims)('names tests that are in $path: $names', ({ path, names }) => {
    const file = new URL(`../../${path}`, import.meta.url);
    expect(existsSync(file)).toBe(true);
    const source = readFileSync(file, 'utf8');
    for (const name of names) expect(source).toContain(name);
  });
});

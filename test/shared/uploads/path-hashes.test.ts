// Paths that occur twice, found by their hashes.
import { describe, expect, it } from 'vitest';
import { pathHashes } from '../../../shared/uploads/path-hashes.ts';

describe('path hashes', () => {
  const paths = Array.from({ length: 50_000 }, (_, row) => `train/${row % 43}/${row}.png`);

  it('tell the second of two equal paths, and nothing of the others', () => {
    const hashes = pathHashes();
    const added = [...paths, 'train/7/50.png', 'train/7/50.png', ''];
    for (const path of added) hashes.add(path);
    const isRepeated = hashes.close()!;
    const repeated = added.filter((path) => isRepeated(path));
    // 50 is 7 beyond 43, so the path is one of those above as well.
    expect(repeated).toEqual(['train/7/50.png', 'train/7/50.png']);
  });

  it('give up where more than a thousand are twice', () => {
    const hashes = pathHashes();
    for (const path of [...paths, ...paths.slice(0, 1001)]) hashes.add(path);
    expect(hashes.close()).toBeUndefined();
    expect(pathHashes().close()).toBeDefined();
  });
});

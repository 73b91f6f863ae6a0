// A slice of the fuzzing in every run of the tests, and every case that once broke something.
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readCases } from './finding-files.ts';
import { fuzzLoop } from './fuzz-loop.ts';
import { type FuzzTarget, runCase } from './target.ts';
import { targets } from './targets.ts';

describe.each(targets)('the reader of $name', (target) => {
  it('reads its own examples', async () => {
    const ends = await Promise.all(
      (await target.seeds()).map((bytes) => Promise.resolve(runCase(target, bytes))),
    );
    expect(ends.filter((end) => end === 'accepted').length).toBeGreaterThanOrEqual(ends.length / 2);
  });

  const kept = readCases(join(import.meta.dirname, 'cases', target.name));
  it.runIf(kept.length > 0)('refuses or reads what once broke it', async () => {
    for (const { name, bytes } of kept) {
      expect(['accepted', 'refused'], name).toContain(await runCase(target, bytes));
    }
  });

  it(`refuses or reads ${target.sliceCases} mutated cases`, async () => {
    const findings: unknown[] = [];
    const { accepted, refused } = await fuzzLoop(target, {
      cases: target.sliceCases,
      seed: 1,
      onFinding: (thrown) => findings.push(thrown),
    });
    expect(findings).toEqual([]);
    expect(accepted).toBeGreaterThan(0);
    expect(refused).toBeGreaterThan(0);
  });
});

describe('the loop', () => {
  it('draws the same cases of the same seed', async () => {
    const seen = async (seed: number) => {
      const cases: string[] = [];
      await fuzzLoop(targets[0], {
        cases: 200,
        seed,
        beforeCase: (bytes) => cases.push(Buffer.from(bytes).toString('hex')),
        onFinding: () => undefined,
      });
      return cases;
    };
    expect(await seen(3)).toEqual(await seen(3));
    expect(await seen(3)).not.toEqual(await seen(4));
  });

  it('finds a reader that throws what is no refusal', async () => {
    const found: string[] = [];
    const broken: FuzzTarget = {
      name: 'broken',
      seeds: () => [Uint8Array.of(1, 2, 3)],
      dictionary: ['go'],
      bytesMax: 16,
      sliceCases: 0,
      read(bytes: Uint8Array) {
        if (bytes.length === 5) throw new TypeError('five bytes');
      },
    };
    await fuzzLoop(broken, { cases: 500, seed: 1, onFinding: (thrown) => found.push(String(thrown)) });
    expect(found).toContain('TypeError: five bytes');
  });

  it('finds a reader that keeps memory', async () => {
    const held: Uint8Array[] = [];
    const found: string[] = [];
    const leaking: FuzzTarget = {
      name: 'leaking',
      seeds: () => [Uint8Array.of(1)],
      dictionary: [],
      bytesMax: 16,
      sliceCases: 0,
      read: () => void held.push(new Uint8Array(20_000)),
    };
    const options = { cases: 3_000, seed: 1, watchMemory: true };
    await fuzzLoop(leaking, { ...options, onFinding: (thrown) => found.push(String(thrown)) });
    expect(found.join()).toMatch(/memory grew by/);
    expect(held.length).toBeGreaterThanOrEqual(3_000);
  });

  it('is led by the blocks that a case is the first to reach', { timeout: 120_000 }, async () => {
    const { startBlockCoverage } = await import('./block-coverage.ts');
    const target = targets.find(({ name }) => name === 'npy')!;
    const { kept: led } = await fuzzLoop(target, {
      cases: 3_000,
      seed: 2,
      coverage: startBlockCoverage(),
      onFinding: () => undefined,
    });
    expect(led.length).toBeGreaterThan(0);
  });
});

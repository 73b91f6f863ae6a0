// The policy as it is written: what it refuses, and what it means where nothing was chosen.
import { describe, expect, it } from 'vitest';
import { closedFailureClasses, defaultPolicy, policySchema } from '../../../shared/contracts/policy.ts';
import { failureClasses } from '../../../shared/contracts/verdict.ts';

describe('a policy', () => {
  it('of which only the mode was chosen is closed on every failure', () => {
    const policy = defaultPolicy('enforce');
    expect(policy).toEqual({
      mode: 'enforce',
      sampling_percent: 100,
      thresholds: { flag: null, block: null },
      failures: Object.fromEntries(failureClasses.map((one) => [one, 'refuse'])),
      batch: 'refuse',
      reveal: 'verdict',
      timeout_ms: null,
      queries: null,
    });
  });

  it('in which one class was chosen is closed on the others', () => {
    const { failures } = policySchema.parse({ mode: 'enforce', failures: { timeout: 'pass' } });
    expect(Object.entries(failures).filter(([, outcome]) => outcome === 'pass')).toEqual([
      ['timeout', 'pass'],
    ]);
  });

  const refused: readonly (readonly [string, object])[] = [
    ['without a mode', {}],
    ['with a misspelt member', { mode: 'off', failure: { timeout: 'refuse' } }],
    ['with a misspelt member of the check for query attacks', { mode: 'off', queries: { match_min: 3 } }],
    ['with a misspelt class', { mode: 'off', failures: { time_out: 'refuse' } }],
    ['with a misspelt threshold', { mode: 'off', thresholds: { blocks: 1 } }],
    ['with a mode that there is not', { mode: 'on' }],
    ['that samples more than everything', { mode: 'off', sampling_percent: 100.5 }],
    ['that samples less than nothing', { mode: 'off', sampling_percent: -1 }],
    ['that samples no number', { mode: 'off', sampling_percent: Number.NaN }],
    ['with a threshold without end', { mode: 'off', thresholds: { block: Number.POSITIVE_INFINITY } }],
    ['that flags above what it blocks', { mode: 'off', thresholds: { flag: 2, block: 1 } }],
    ['without time', { mode: 'off', timeout_ms: 0 }],
    ['with more time than a minute', { mode: 'off', timeout_ms: 60_001 }],
    ['with half a millisecond', { mode: 'off', timeout_ms: 1.5 }],
    ...closedFailureClasses.map(
      (one) => [`that lets ${one} pass`, { mode: 'off', failures: { [one]: 'pass' } }] as const,
    ),
  ];
  it.each(refused)('%s is refused', (_what, policy) => {
    expect(policySchema.safeParse(policy).success).toBe(false);
  });
});

// What the check for query attacks makes of verdicts that failed, were blocked, or could not be checked.
import { describe, expect, it } from 'vitest';
import type { Judgement } from '../../../edge/guard/judge-input.ts';
import { raiseQueries } from '../../../edge/guard/raise-queries.ts';
import { type Policy, policySchema } from '../../../shared/contracts/policy.ts';
import type { Verdict } from '../../../shared/contracts/verdict.ts';
import { GuardError } from '../../../shared/errors.ts';
import { emptyVerdict } from '../../helpers/empty-verdict.ts';

const clean: Verdict = { ...emptyVerdict, verdict: 'allow', mode: 'enforce', score: -3, threshold: 0 };
const error = new GuardError('extractor_unreachable', 'gone');
const failure = { class: 'worker_unreachable', code: error.code, detail: 'gone' } as const;
const failed: Judgement = { verdict: { ...clean, verdict: 'error', score: null, failure }, error };
const blocked: Judgement = {
  verdict: { ...clean, verdict: 'block', enforced: true, reasons: ['nccr.above_threshold'] },
  error: undefined,
};
const unavailable = { error: new GuardError('query_check_unavailable', 'lost') };

const request = (policy: Partial<Record<keyof Policy, unknown>> = {}) => ({
  model: {
    name: 'm',
    version: undefined,
    artefactKey: undefined,
    protocol: 'open-inference' as const,
    policy: policySchema.parse({ mode: 'enforce', queries: { action: 'block' }, ...policy }),
    policyVersion: 1,
  },
  enforces: true,
});

describe('a finding of near-duplicates', () => {
  it('blocks what could not be scored, whatever the policy lets pass', () => {
    const lenient = request({ queries: { action: 'block' }, failures: { worker_unreachable: 'pass' } });
    const { verdict, error: thrown } = raiseQueries(failed, { matches: 3 }, lenient);
    expect(verdict).toMatchObject({ verdict: 'block', enforced: true, failure });
    expect(thrown).toBeUndefined();
  });

  it('only adds its reason to a failure where it flags: what could not be scored is no flag', () => {
    const flagging = request({ queries: { action: 'flag' } });
    const { verdict, error: thrown } = raiseQueries(failed, { matches: 3 }, flagging);
    expect(verdict).toMatchObject({ verdict: 'error', reasons: ['queries.near_duplicates'] });
    expect(thrown).toBe(error);
  });

  it('of fewer than the policy names is counted and changes nothing', () => {
    const { verdict } = raiseQueries({ verdict: clean, error: undefined }, { matches: 2 }, request());
    const counted = { matches: 2, matches_min: 3, window_s: 3600 };
    expect(verdict).toEqual({ ...clean, queries: counted });
  });

  it('refuses nothing where only a verdict was asked for', () => {
    const asked = { ...request(), enforces: false };
    const { verdict } = raiseQueries({ verdict: clean, error: undefined }, { matches: 3 }, asked);
    expect(verdict).toMatchObject({ verdict: 'block', enforced: false });
  });
});

describe('a check that failed', () => {
  it('leaves no clean verdict behind', () => {
    const judgement = raiseQueries({ verdict: clean, error: undefined }, unavailable, request());
    expect(judgement.verdict).toMatchObject({
      verdict: 'error',
      enforced: true,
      score: null,
      failure: { class: 'query_check' },
    });
    expect(judgement.error?.code).toBe('query_check_unavailable');
  });

  it('passes as an error where the policy says so', () => {
    const lenient = request({ failures: { query_check: 'pass' } });
    const { verdict } = raiseQueries({ verdict: clean, error: undefined }, unavailable, lenient);
    expect(verdict).toMatchObject({ verdict: 'error', enforced: false });
  });

  it('undoes no block, and hides no failure of the scoring', () => {
    expect(raiseQueries(blocked, unavailable, request({ failures: { query_check: 'pass' } }))).toEqual(
      blocked,
    );
    expect(raiseQueries(failed, unavailable, request())).toEqual(failed);
  });
});

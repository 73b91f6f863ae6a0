// What an exported finding says became of the request.
import { expect, it } from 'vitest';
import { ocsfFinding } from '../../../edge/guard/ocsf-finding.ts';
import { detectionFindingSchema } from '../../../shared/contracts/ocsf.ts';
import type { Verdict } from '../../../shared/contracts/verdict.ts';
import { emptyVerdict } from '../../helpers/empty-verdict.ts';

const failure = { class: 'timeout', code: 'deadline_exceeded', detail: 'late' } as const;

it.each<[string, Partial<Verdict>, [number, number]]>([
  ['refused', { verdict: 'block', enforced: true, mode: 'enforce' }, [2, 2]],
  [
    'cut, and the rest answered',
    { verdict: 'block', enforced: true, mode: 'enforce', rows_cut: [0] },
    [4, 11],
  ],
  ['let pass unjudged by a policy', { verdict: 'error', enforced: false, mode: 'enforce', failure }, [1, 16]],
  ['watched in shadow', { verdict: 'error', enforced: false, mode: 'shadow', failure }, [3, 17]],
  ['found in shadow', { verdict: 'block', enforced: false, mode: 'shadow' }, [3, 15]],
  ['allowed', { verdict: 'allow', enforced: false, mode: 'enforce' }, [1, 1]],
])('of a request that was %s', (_, change, outcome) => {
  const verdict: Verdict = { ...emptyVerdict, ...change };
  const entry = { verdict, model: 'm', requestDigest: null, principal: null };
  const finding = ocsfFinding(entry, { product: { name: 'p', version: '1' }, cursor: 'c' });
  expect([finding.action_id, finding.disposition_id]).toEqual(outcome);
  expect(detectionFindingSchema.parse(finding)).toEqual(finding);
});

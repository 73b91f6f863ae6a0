// A verdict that says nothing: what a test is about is set on top of it.
import type { Verdict } from '../../shared/contracts/verdict.ts';

/** Not scored, of model `m` in mode shadow. */
export const emptyVerdict: Verdict = {
  id: 'gv_1',
  request_id: 'r',
  at: '2026-01-01T00:00:00.000Z',
  verdict: 'error',
  mode: 'shadow',
  enforced: false,
  score: null,
  threshold: null,
  target_fpr: null,
  fpr_ci95: null,
  reasons: [],
  failure: null,
  rows: [],
  detector: null,
  policy: { id: 'm', version: 0 },
  timings_ms: { extract: 0, decide: 0, total: 0 },
  taxonomy: [],
  trace_id: null,
};

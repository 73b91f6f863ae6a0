// The control flow of one guarded request: look on, or look first and then forward or refuse.
import type { GuardMode, Verdict, VerdictKind } from '../../shared/contracts/verdict.ts';
import type { WaitUntil } from '../bindings.ts';
import type { TraceContext } from '../clients/trace-context.ts';
import type { GuardedModel } from './current-policies.ts';
import { cutRequest, markCut } from './cut-rows.ts';
import { blockedError } from './failure-policy.ts';
import type { GuardServices } from './guard-services.ts';
import { judgeInput } from './judge-input.ts';
import { recordVerdict } from './record-verdict.ts';
import { verdictId } from './verdict-id.ts';

/** A request to a protected model: authenticated, its body read whole and within the limit. */
export interface GuardedRequest {
  readonly model: GuardedModel;
  readonly body: Uint8Array;
  readonly headers: Headers;
  readonly requestId: string;
  readonly trace: TraceContext;
  /** Where it goes on the upstream: see `ForwardCall`. */
  readonly path: string;
  readonly search: string;
}

/** What the answer's headers say of the guard, whether the answer is the model's or a refusal. */
export interface GuardTrail {
  mode?: GuardMode;
  verdictId?: string;
  /** Told only where the guard enforces: in shadow the answer does not wait for it. */
  verdict?: VerdictKind;
}

/**
 * Guards one inference request.
 * @param trail filled in as far as the request gets
 * @returns the upstream's answer
 * @throws GuardError `blocked`, the failure of a verdict that the mode refuses, or an error of the upstream
 */
export async function guardInference(
  request: GuardedRequest,
  { services, trail, waitUntil }: { services: GuardServices; trail: GuardTrail; waitUntil: WaitUntil },
): Promise<Response> {
  const { model, body, headers, requestId, trace, path, search } = request;
  const forward = (
    guardHeaders: Readonly<Record<string, string>> = {},
    sent: Pick<GuardedRequest, 'body' | 'headers'> = { body, headers },
  ) =>
    services.upstream.forward({
      method: 'POST',
      path,
      search,
      headers: sent.headers,
      body: sent.body,
      requestId,
      trace,
      guardHeaders,
    });
  const { mode, reveal } = model.policy;
  trail.mode = mode;
  if (mode === 'off') {
    services.metrics.requests.inc({ model: model.name, mode: 'off', verdict: 'not_scored' });
    return forward();
  }
  const judged = { verdictId: verdictId(), model, body, headers, requestId, trace, enforces: true };
  trail.verdictId = judged.verdictId;
  if (mode === 'shadow') {
    const forwarded = forward();
    // The scoring waits until the model has answered, so that it takes nothing from the answer's time.
    const scoring = Promise.allSettled([forwarded])
      .then(() => judgeInput(judged, services))
      .then((judgement) => recordVerdict(judgement, judged, services));
    waitUntil(scoring);
    return forwarded;
  }
  const judgement = await judgeInput(judged, services);
  const { verdict, error } = judgement;
  if (reveal !== 'nothing') trail.verdict = verdict.verdict;
  waitUntil(recordVerdict(judgement, judged, services));
  const { rows_cut: cut } = verdict;
  if (cut !== undefined) {
    return markCut(await forward({}, cutRequest(request, cut)), { cut, protocol: model.protocol });
  }
  if (verdict.verdict === 'block') throw blockedError();
  if (verdict.enforced) throw error ?? blockedError();
  return forward(upstreamHeaders(verdict));
}

/** What the upstream alone is told: that it gets an input that nobody could judge, or one that was flagged. */
function upstreamHeaders({ verdict, failure }: Verdict): Record<string, string> {
  if (failure !== null) return { 'x-guard-failure-mode-allowed': 'true' };
  return verdict === 'flag' ? { 'x-guard-verdict': verdict } : {};
}

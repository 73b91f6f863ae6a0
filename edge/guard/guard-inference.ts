// The control flow of one guarded request: look on, or look first and then forward or refuse.
import type { GuardMode, VerdictKind } from '../../shared/contracts/verdict.ts';
import type { WaitUntil } from '../bindings.ts';
import type { TraceContext } from '../clients/trace-context.ts';
import type { GuardedModel } from '../config.ts';
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
  const forward = () =>
    services.upstream.forward({ method: 'POST', path, search, headers, body, requestId, trace });
  trail.mode = model.mode;
  if (model.mode === 'off') {
    services.metrics.requests.inc({ model: model.name, mode: 'off', verdict: 'not_scored' });
    return forward();
  }
  const judged = { verdictId: verdictId(), model, body, headers, requestId, trace, enforces: true };
  trail.verdictId = judged.verdictId;
  if (model.mode === 'shadow') {
    const forwarded = forward();
    // The scoring waits until the model has answered, so that it takes nothing from the answer's time.
    const scoring = Promise.allSettled([forwarded])
      .then(() => judgeInput(judged, services))
      .then((judgement) => recordVerdict(judgement, judged, services));
    waitUntil(scoring);
    return forwarded;
  }
  const judgement = await judgeInput(judged, services);
  trail.verdict = judgement.verdict.verdict;
  waitUntil(recordVerdict(judgement, judged, services));
  if (judgement.error !== undefined) throw judgement.error;
  if (judgement.verdict.verdict !== 'allow') throw blockedError();
  return forward();
}

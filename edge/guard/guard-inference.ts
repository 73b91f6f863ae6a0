// The control flow of one guarded request: look on, or look first and then forward or refuse.
import type { GuardMode, Verdict, VerdictKind } from '../../shared/contracts/verdict.ts';
import type { WaitUntil } from '../bindings.ts';
import type { TraceContext } from '../clients/trace-context.ts';
import type { GuardedModel } from './current-policies.ts';
import { cutRequest, markCut, type ReceivedMessage } from './cut-rows.ts';
import { blockedError } from './failure-policy.ts';
import type { GuardServices } from './guard-services.ts';
import { type JudgedRequest, type Judgement, judgeInput, sampledOut, shedInShadow } from './judge-input.ts';
import { receiveInput, type UnreadRequest } from './receive-input.ts';
import { recordVerdict } from './record-verdict.ts';
import { isSampled } from './sample-request.ts';
import { verdictId } from './verdict-id.ts';

/** A request to a protected model, authenticated. */
export interface GuardedRequest {
  readonly model: GuardedModel;
  /** See `UnreadRequest`. */
  readonly receive: UnreadRequest['receive'];
  /** As the client sent them; those of what is forwarded come with the body. */
  readonly headers: Headers;
  readonly requestId: string;
  readonly trace: TraceContext;
  /** Id of whoever sent it. */
  readonly principal: string;
  /** Where it goes on the upstream: see `ForwardCall`. */
  readonly path: string;
  readonly search: string;
  /** Aborted where the client has gone away. */
  readonly signal: AbortSignal;
}

/** What the answer's headers say of the guard, whether the answer is the model's or a refusal. */
export interface GuardTrail {
  mode?: GuardMode;
  verdictId?: string;
  /** Told only where the guard enforces: in shadow the answer does not wait for it. */
  verdict?: VerdictKind;
}

/** What a request is guarded with. */
export interface GuardContext {
  readonly services: GuardServices;
  /** Filled in as far as the request gets. */
  readonly trail: GuardTrail;
  readonly waitUntil: WaitUntil;
}

/**
 * Guards one inference request.
 * @returns the upstream's answer
 * @throws GuardError `blocked`, the failure of a verdict that the policy refuses, a body that cannot be read, or an error of the
 *   upstream
 */
export async function guardInference(request: GuardedRequest, context: GuardContext): Promise<Response> {
  const { model, requestId, trace, principal, path, search, signal } = request;
  const { services, trail, waitUntil } = context;
  const { mode, reveal } = model.policy;
  trail.mode = mode;
  const { body, headers, begunAt, file } = await receiveInput({ ...request, enforces: true }, context);
  const forward = (
    guardHeaders: Readonly<Record<string, string>> = {},
    sent: ReceivedMessage = { body, headers },
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
  if (mode === 'off') {
    services.metrics.requests.inc({ model: model.name, mode: 'off', verdict: 'not_scored' });
    return forward();
  }
  const judged = {
    verdictId: verdictId(),
    model,
    body,
    file,
    headers,
    requestId,
    trace,
    principal,
    enforces: true,
  };
  const sampled = await isSampled(body, model.policy, services.noiseKey);
  if (mode === 'shadow') {
    services.pace.noticeRequest();
    const leave = sampled ? services.pending.shadow.admit(body.length) : undefined;
    const forwarded = forward();
    if (sampled && leave === undefined) {
      const written = services.shed.add(judged);
      if (written !== undefined) waitUntil(written);
      return forwarded;
    }
    trail.verdictId = judged.verdictId;
    // The scoring waits until the model has answered and no request is there that it would hold up.
    const scoring = Promise.allSettled([forwarded])
      .then(() => {
        services.pace.noticeRequest();
        return leave === undefined ? sampledOut(judged) : judgeInTurn(judged, services).finally(leave);
      })
      .then((judgement) => recordVerdict(judgement, judged, services));
    waitUntil(scoring);
    return forwarded;
  }
  trail.verdictId = judged.verdictId;
  const judging = sampled
    ? judgeInput({ ...judged, signal, begunAt }, services)
    : Promise.resolve(sampledOut(judged));
  // Asked for before the verdict is there: a client that goes away takes with it what nothing waits for.
  waitUntil(judging.then((judgement) => recordVerdict(judgement, judged, services)));
  const { verdict, error } = await judging;
  if (reveal !== 'nothing') trail.verdict = verdict.verdict;
  const { rows_cut: cut } = verdict;
  if (cut !== undefined) {
    return markCut(await forward({}, cutRequest(judged, cut)), { cut, protocol: model.protocol });
  }
  if (verdict.verdict === 'block') throw blockedError();
  if (verdict.enforced) throw error ?? blockedError();
  return forward(upstreamHeaders(verdict));
}

/** Judges a request of mode shadow once there is room for it beside those that clients wait for. */
async function judgeInTurn(
  judged: JudgedRequest & { readonly body: Uint8Array },
  services: GuardServices,
): Promise<Judgement> {
  const done = await services.pace.turn();
  if (done === undefined) return shedInShadow(judged);
  return judgeInput({ ...judged, inShadow: true }, services).finally(done);
}

/** What the upstream alone is told: that it gets an input that nobody could judge, or one that was flagged. */
function upstreamHeaders({ verdict, failure }: Verdict): Record<string, string> {
  if (failure !== null) return { 'x-guard-failure-mode-allowed': 'true' };
  return verdict === 'flag' ? { 'x-guard-verdict': verdict } : {};
}

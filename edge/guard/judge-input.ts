// Makes the verdict of one request: whatever goes wrong on the way becomes part of the verdict.
import type { Verdict } from '../../shared/contracts/verdict.ts';
import { GuardError } from '../../shared/errors.ts';
import { log } from '../../shared/log.ts';
import type { LoadedArtefact } from '../clients/artefact-store.ts';
import type { TraceContext } from '../clients/trace-context.ts';
import { failedVerdict, leftOutVerdict, scoredVerdict, type VerdictHead } from './build-verdict.ts';
import { checkQueries, type QueryCheck } from './check-queries.ts';
import type { GuardedModel } from './current-policies.ts';
import { type Failure, failureOf } from './failure-policy.ts';
import type { GuardServices } from './guard-services.ts';
import { type QueryFinding, raiseQueries } from './raise-queries.ts';
import { type ScoreInput, scoreInput } from './score-input.ts';
import { unlessCancelled } from './unless-cancelled.ts';
import { validateInput } from './validate-input.ts';
import { clientTimeoutMs, ofWhoseDeadline, verdictDeadline } from './verdict-deadline.ts';
import { withinDeadline } from './within-deadline.ts';

/** A request to judge, its body read whole. */
export interface JudgedRequest {
  readonly verdictId: string;
  readonly model: GuardedModel;
  /** Undefined where it could not be read. */
  readonly body: Uint8Array | undefined;
  /** What the client sent in its place, where the body is what a file was decoded to, or could not be. */
  readonly file?: Uint8Array | undefined;
  readonly headers: Headers;
  readonly requestId: string;
  readonly trace: TraceContext;
  /** Id of whoever sent it; never a secret. */
  readonly principal: string;
  /** False where a verdict was asked for and nothing is forwarded. */
  readonly enforces: boolean;
  /** Aborted where nobody waits for the verdict any more. */
  readonly signal?: AbortSignal;
  /** Instant of `Date.now()` at which its deadline began, where that was before now. */
  readonly begunAt?: number | undefined;
  /** Judged behind the answer: no client waits for the verdict, and what is pending of it was bounded when it came. */
  readonly inShadow?: boolean;
}

/** A verdict, and the error behind it where the input could not be scored. */
export interface Judgement {
  readonly verdict: Verdict;
  readonly error: GuardError | undefined;
}

/**
 * Parses, validates, extracts and scores one request, and compares it with its caller's earlier ones where the policy says so.
 * Never throws: a failure is a verdict too.
 */
export async function judgeInput(
  request: JudgedRequest & { readonly body: Uint8Array },
  services: GuardServices,
): Promise<Judgement> {
  const startedAt = performance.now();
  let checking: Promise<QueryFinding | undefined> | undefined;
  const scored = await judgeScores(request, services, (input) => {
    checking = checkQueries({ request, ...input }, services);
    return checking;
  });
  // Nobody waits for more where the client has gone.
  if (scored.verdict.failure?.class === 'client_cancel') return scored;
  const finding = await checking;
  if (finding === undefined) return scored;
  if (finding.error !== undefined) logFailure(request, finding.error);
  const { verdict, error } = raiseQueries(scored, finding, request);
  const total = performance.now() - startedAt;
  return { verdict: { ...verdict, timings_ms: { ...verdict.timings_ms, total } }, error };
}

/** @param check is called with what is scored, and ends by itself; a request keeps its place until it has ended. */
async function judgeScores(
  request: JudgedRequest & { readonly body: Uint8Array },
  services: GuardServices,
  check: (checked: Omit<QueryCheck, 'request'>) => Promise<unknown>,
): Promise<Judgement> {
  const { model } = request;
  const startedAt = performance.now();
  const policyMs = model.policy.timeout_ms ?? services.guardTimeoutMs;
  let deadline = verdictDeadline({ policyMs, clientMs: undefined });
  const noiseKeyId = services.noiseKey.id;
  const head = () => headOf(request, performance.now() - startedAt);
  let loaded: LoadedArtefact | undefined;
  let leave: (() => void) | undefined;
  let work: Promise<unknown> = Promise.resolve();
  services.metrics.pending.inc();
  try {
    if (!request.inShadow) {
      const clientMs = clientTimeoutMs(request.headers);
      deadline = verdictDeadline({ policyMs, clientMs }, request.begunAt);
      leave = takePlace(request.body, services);
    }
    const deadlineAt = deadline.at;
    const loading = loadDetector({ model, deadlineAt }, services);
    work = loading;
    loaded = await unlessCancelled(loading, request.signal);
    const input = validateInput(request, loaded.artefact);
    const call: ScoreInput = {
      loaded,
      input,
      deadlineAt,
      trace: request.trace,
      // The same input has the same score to the bit, whether it is checked or not.
      only: 'typescript',
      check: services.drawsCheck(),
    };
    const scoring = scoreInput(call, services);
    const range = loaded.artefact.plan.input_range;
    work = Promise.allSettled([scoring, check({ input, range, deadlineAt })]);
    const scored = await unlessCancelled(scoring, request.signal);
    const verdict = scoredVerdict(head(), { scored, loaded, noiseKeyId });
    if (scored.broken !== undefined) {
      // A block that was found stands, whatever failed afterwards and whatever the policy lets pass.
      if (verdict.verdict !== 'block') throw scored.broken;
      logFailure(request, scored.broken);
    }
    return { verdict, error: undefined };
  } catch (thrown) {
    const failure = failureOf(ofWhoseDeadline(thrown, deadline));
    logUnlessShed(request, failure);
    return { verdict: failedVerdict(head(), { failure, loaded, noiseKeyId }), error: failure.error };
  } finally {
    // Work whose client went away goes on, and keeps its place until it ends.
    void work.catch(() => undefined).then(leave);
    services.metrics.pending.dec();
  }
}

/** The verdict of a request that the policy's sampling leaves out. */
export function sampledOut(request: JudgedRequest): Judgement {
  return { verdict: leftOutVerdict(headOf(request, 0), { reason: 'policy.sampled_out' }), error: undefined };
}

/** The verdict of a request of mode shadow that comes while as many are under way as the guard takes. */
export function shedInShadow(request: JudgedRequest): Judgement {
  const { report } = failureOf(overloaded());
  return {
    verdict: leftOutVerdict(headOf(request, 0), { reason: 'shadow.shed', failure: report }),
    error: undefined,
  };
}

/**
 * Takes a place among what callers wait for.
 * @returns what is to be called once the work has ended
 * @throws GuardError `overloaded` where there is none
 */
export function takePlace(body: Uint8Array, { pending }: Pick<GuardServices, 'pending'>): () => void {
  const leave = pending.verdicts.admit(body.length);
  if (leave === undefined) throw overloaded();
  return leave;
}

function overloaded(): GuardError {
  const detail = 'the guard has as many verdicts under way as it takes';
  return new GuardError('overloaded', detail, { retryAfterSeconds: 1 });
}

/** The verdict of a request whose body could not be read, or not decoded, which took so long. */
export function unreadInput(
  request: JudgedRequest,
  thrown: unknown,
  totalMs: number,
): Judgement & { readonly error: GuardError } {
  const failure = failureOf(thrown);
  logUnlessShed(request, failure);
  const noDetector = { loaded: undefined, noiseKeyId: '' };
  const verdict = failedVerdict(headOf(request, totalMs), { failure, ...noDetector });
  // There is nothing that could be forwarded, whatever the policy says of the failure's class.
  return { verdict: { ...verdict, enforced: request.enforces }, error: failure.error };
}

function headOf(
  { verdictId, requestId, trace, model, enforces }: JudgedRequest,
  totalMs: number,
): VerdictHead {
  return { id: verdictId, requestId, traceId: trace.traceId, model, enforces, totalMs };
}

/** A line for each request that is shed would add to the load; they are counted. */
function logUnlessShed(request: JudgedRequest, { verdict, error }: Failure): void {
  if (verdict === 'error' && error.code !== 'overloaded') logFailure(request, error);
}

function logFailure({ requestId, trace, model }: JudgedRequest, error: GuardError): void {
  log('error', 'guard.failure', { request_id: requestId, trace_id: trace.traceId, model: model.name, error });
}

/**
 * Loads the detector of a model.
 * @param deadlineAt instant of `Date.now()`
 * @throws GuardError `detector_unavailable` where it has none, or one of another name; `deadline_exceeded`
 */
export async function loadDetector(
  {
    model,
    deadlineAt,
  }: { readonly model: Pick<GuardedModel, 'name' | 'artefactKey'>; readonly deadlineAt: number },
  { artefacts, metrics }: Pick<GuardServices, 'artefacts' | 'metrics'>,
): Promise<LoadedArtefact> {
  if (model.artefactKey === undefined) {
    throw new GuardError('detector_unavailable', 'no detector is configured for this model');
  }
  const { artefactKey } = model;
  const loaded =
    artefacts.loaded(artefactKey) ??
    (await withinDeadline(artefacts.load(artefactKey), deadlineAt, 'loading the detector'));
  const { artefact, digest } = loaded;
  if (artefact.model.name !== model.name) {
    throw new GuardError('detector_unavailable', 'the detector was made for a model of another name');
  }
  metrics.detectors.set({ model: model.name, version: artefact.version, artefact: digest }, 1);
  return loaded;
}

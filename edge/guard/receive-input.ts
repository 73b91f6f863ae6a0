// Reads what a request wants judged: its body, and where that is a file, what the file holds. A failure is a verdict too.
import type { WaitUntil } from '../bindings.ts';
import type { ReceivedMessage } from './cut-rows.ts';
import { decodeMedia } from './decode-media.ts';
import type { GuardTrail } from './guard-inference.ts';
import type { GuardServices } from './guard-services.ts';
import { type JudgedRequest, unreadInput } from './judge-input.ts';
import { recordVerdict } from './record-verdict.ts';
import { verdictId } from './verdict-id.ts';

/** A request whose body is not read yet. */
export interface UnreadRequest
  extends Pick<
    JudgedRequest,
    'model' | 'headers' | 'requestId' | 'trace' | 'principal' | 'enforces' | 'signal'
  > {
  /** Reads the body whole. @throws GuardError `body_too_large` or `client_cancelled` */
  readonly receive: () => Promise<Uint8Array>;
}

/** A message to judge. */
export interface ReceivedInput extends ReceivedMessage {
  /** The file that the client sent, where the body is what it was decoded to. */
  readonly file?: Uint8Array;
}

/**
 * Reads and decodes the input. One that is too large, cannot be decoded, or whose sender went away is refused in every mode, since
 * there is nothing to forward; the refusal is audited wherever verdicts are.
 * @throws GuardError as `receive` and `decodeMedia` do
 */
export async function receiveInput(
  { receive, ...request }: UnreadRequest,
  { services, trail, waitUntil }: { services: GuardServices; trail: GuardTrail; waitUntil: WaitUntil },
): Promise<ReceivedInput> {
  const { model, headers, trace, enforces } = request;
  const { mode, reveal } = model.policy;
  const startedAt = performance.now();
  let sent: Uint8Array | undefined;
  const read = async (): Promise<ReceivedInput> => {
    const body = await receive();
    sent = body;
    // In the other modes no client waits for the verdict that its forwarding needs.
    const waits = !enforces || mode === 'enforce';
    const message = await decodeMedia({ body, headers }, { model, trace, waits }, services);
    return message.body === body ? message : { ...message, file: body };
  };
  // Asked for before it is there: a client that goes away takes with it what nothing waits for.
  const receiving = Promise.allSettled([read()]);
  waitUntil(receiving);
  const [received] = await receiving;
  if (received.status === 'fulfilled') return received.value;
  const judged: JudgedRequest = { ...request, verdictId: verdictId(), body: undefined, file: sent };
  const judgement = unreadInput(judged, received.reason, performance.now() - startedAt);
  // In mode off nothing is judged of what is to be forwarded, and nothing is audited.
  if (!enforces || mode !== 'off') {
    waitUntil(recordVerdict(judgement, judged, services));
    trail.verdictId = judgement.verdict.id;
    const isTold = !enforces || (mode === 'enforce' && reveal !== 'nothing');
    if (isTold) trail.verdict = judgement.verdict.verdict;
  }
  throw judgement.error;
}

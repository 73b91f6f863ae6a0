// Files become messages of the protocol before anything is judged: what is scored and what is forwarded is then one body.
import { mediaKind } from '../../shared/contracts/media.ts';
import { GuardError } from '../../shared/errors.ts';
import { writeRequest } from '../../shared/oip/write-message.ts';
import type { TraceContext } from '../clients/trace-context.ts';
import type { GuardedModel } from './current-policies.ts';
import { type ReceivedMessage, rewritten } from './cut-rows.ts';
import type { GuardServices } from './guard-services.ts';
import { clientTimeoutMs, ofWhoseDeadline, verdictDeadline } from './verdict-deadline.ts';

/**
 * Gives a body as a server of the model reads it: what the client sent, or where that is the file of an image or a recording, the
 * tensor that the gpu-worker decodes it to, in the binary extension. It is decoded once.
 * @throws GuardError as `MediaClient.decode` does, in every mode: there is nothing else that could be forwarded
 */
export async function decodeMedia(
  received: ReceivedMessage,
  { model, trace }: { readonly model: GuardedModel; readonly trace: TraceContext },
  { media, guardTimeoutMs }: Pick<GuardServices, 'media' | 'guardTimeoutMs'>,
): Promise<ReceivedMessage> {
  const { body, headers } = received;
  const contentType = headers.get('content-type');
  if (contentType === null || model.protocol !== 'open-inference' || mediaKind(contentType) === undefined) {
    return received;
  }
  const coding = headers.get('content-encoding');
  if (coding !== null && coding !== 'identity') {
    throw new GuardError('unsupported_media_type', 'a body with a content-encoding is not supported');
  }
  const begunAt = Date.now();
  const deadline = verdictDeadline({
    policyMs: model.policy.timeout_ms ?? guardTimeoutMs,
    // In the other modes no client waits for a verdict.
    clientMs: model.policy.mode === 'enforce' ? clientTimeoutMs(headers) : undefined,
  });
  const { audio } = model;
  const call = { model: model.name, contentType, file: body, audio, deadlineAt: deadline.at, trace };
  const input = await media.decode(call).catch((thrown: unknown) => {
    throw ofWhoseDeadline(thrown, deadline);
  });
  return { ...rewritten(headers, writeRequest({}, [input], { binary: true })), begunAt };
}

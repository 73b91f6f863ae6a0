// Files become messages of the protocol before anything is judged: what is scored and what is forwarded is then one body.
import { mediaKind } from '../../shared/contracts/media.ts';
import { GuardError } from '../../shared/errors.ts';
import { writeRequest } from '../../shared/oip/write-message.ts';
import type { TraceContext } from '../clients/trace-context.ts';
import type { GuardedModel } from './current-policies.ts';
import { type ReceivedMessage, rewritten } from './cut-rows.ts';
import type { GuardServices } from './guard-services.ts';
import { takePlace } from './judge-input.ts';
import { clientTimeoutMs, ofWhoseDeadline, verdictDeadline } from './verdict-deadline.ts';

/**
 * Gives a body as a server of the model reads it: what the client sent, or where that is the file of an image or a recording, the
 * tensor that the gpu-worker decodes it to, in the binary extension. It is decoded once, in a place of its own among what is
 * pending, and within the time of the verdict, of which `begunAt` is the beginning.
 * @param waits whether a client waits for the verdict, and may say for how long
 * @throws GuardError as `MediaClient.decode` does, in every mode: there is nothing else that could be forwarded; `overloaded`
 */
export async function decodeMedia(
  received: ReceivedMessage,
  {
    model,
    trace,
    waits,
  }: { readonly model: GuardedModel; readonly trace: TraceContext; readonly waits: boolean },
  { media, guardTimeoutMs, pending }: Pick<GuardServices, 'media' | 'guardTimeoutMs' | 'pending'>,
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
    clientMs: waits ? clientTimeoutMs(headers) : undefined,
  });
  const leave = takePlace(body, { pending });
  const { audio } = model;
  const call = { model: model.name, contentType, file: body, audio, deadlineAt: deadline.at, trace };
  const input = await media
    .decode(call)
    .catch((thrown: unknown) => {
      throw ofWhoseDeadline(thrown, deadline);
    })
    .finally(leave);
  return { ...rewritten(headers, writeRequest({}, [input], { binary: true })), begunAt };
}

// Decodes one file to the input of a protected model, for an edge that forwards what was scored. All of `POST …/decode` stands here.
import { decodeQuerySchema, mediaKind } from '../shared/contracts/media.ts';
import { GuardError } from '../shared/errors.ts';
import { type OipMessage, writeResponse } from '../shared/oip/write-message.ts';
import { decodeMedia } from './media/decode-media.ts';
import type { ServedModel } from './served-model.ts';

/** A request to decode. */
export interface DecodingRequest {
  readonly contentType: string | undefined;
  readonly query: Readonly<Record<string, string>>;
  readonly bytes: Uint8Array;
}

/**
 * Answers it.
 * @throws GuardError as `decodeMedia` does; `malformed_request` where the query is not that of the contract
 */
export async function answerDecoding(
  { name, version, media }: Pick<ServedModel, 'name' | 'version' | 'media'>,
  { contentType, query, bytes }: DecodingRequest,
): Promise<OipMessage> {
  const kind = mediaKind(contentType);
  if (kind === undefined || media === undefined) {
    throw new GuardError(
      'unsupported_media_type',
      `${contentType ?? 'nothing'} is not decoded for this model`,
    );
  }
  const asked = decodeQuerySchema.safeParse(query);
  if (!asked.success) throw new GuardError('malformed_request', `query: ${asked.error.issues[0].message}`);
  const { sample_rate: sampleRate, mix_down: mixDown } = asked.data;
  const tensor = await decodeMedia({ kind, bytes, sampleRate, mixDown: mixDown === 'true' }, media);
  return writeResponse({ model_name: name, model_version: version }, [tensor], () => true);
}

// Has the gpu-worker decode a file to the input of a model.

import { headerLengthHeader } from '../../shared/contracts/inference.ts';
import type { AudioInput } from '../../shared/contracts/media.ts';
import type { NamedTensor } from '../../shared/maths/tensor.ts';
import { readResponse } from '../../shared/oip/read-message.ts';
import { badReply, folderUrl, parseReply, tryWorker } from './ask-gpu-worker.ts';
import type { ExtractorOptions } from './extractor-client.ts';
import { neighbour } from './neighbour.ts';
import { sendTrace, type TraceContext } from './trace-context.ts';

/** One file to decode. */
export interface DecodingCall {
  /** Name of the model. */
  readonly model: string;
  /** Value of the file's `content-type`. */
  readonly contentType: string;
  readonly file: Uint8Array;
  /** Of a model that reads sound. */
  readonly audio: AudioInput | undefined;
  /** Instant of `Date.now()`. */
  readonly deadlineAt: number;
  readonly trace: TraceContext;
}

/** Whoever decodes files. */
export interface MediaClient {
  /**
   * @returns the model's input of one row, under its own name
   * @throws GuardError `malformed_request`, `body_too_large`, `unsupported_media_type` or `invalid_input` where the file is not
   *   what the model reads; what an extraction throws where the gpu-worker fails
   */
  decode(call: DecodingCall): Promise<NamedTensor>;
}

/** What the gpu-worker says of a file is said to its sender. */
const refusals = {
  400: 'malformed_request',
  413: 'body_too_large',
  415: 'unsupported_media_type',
  422: 'invalid_input',
} as const;

/** Makes the client of one gpu-worker. */
export function mediaClient({
  url,
  token,
  fetcher,
  worker = neighbour({ name: 'the gpu-worker' }),
  patienceMs = 0,
}: ExtractorOptions): MediaClient {
  return {
    async decode({ model, contentType, file, audio, deadlineAt, trace }) {
      const address = new URL(`v2/models/${encodeURIComponent(model)}/decode`, folderUrl(url));
      if (audio !== undefined) {
        address.searchParams.set('sample_rate', String(audio.sampleRate));
        address.searchParams.set('mix_down', String(audio.mixDown));
      }
      const headers = { ...sendTrace(trace), 'content-type': contentType, authorization: `Bearer ${token}` };
      const init = { method: 'POST', headers, body: file as Uint8Array<ArrayBuffer> };
      const attempt = () => tryWorker(address.href, { deadlineAt, patienceMs, init, fetcher, refusals });
      const answer = await worker.ask(attempt, deadlineAt);
      const headerLength = answer.headers.get(headerLengthHeader);
      const { model_name, outputs } = parseReply(() => readResponse({ bytes: answer.bytes, headerLength }));
      const [tensor, ...others] = outputs;
      if (model_name !== model || tensor === undefined || others.length > 0) {
        throw badReply('it did not decode to one input of the model');
      }
      if (tensor.datatype !== 'FP32' || tensor.shape[0] !== 1) throw badReply('it decoded to no float32 row');
      return tensor;
    },
  };
}

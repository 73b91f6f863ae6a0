// What is answered where there is no gpu-worker: the detector Worker runs graphs, and neither decodes files nor screens training data.
import { GuardError } from '../../shared/errors.ts';
import type { ExtractorClient } from './extractor-client.ts';
import type { MediaClient } from './media-client.ts';
import type { ScreeningExtractor } from './screening-extractor.ts';

/** Stands for the extraction of models that no graph is configured of. */
export function noExtractor(): ExtractorClient {
  const refuse = () =>
    Promise.reject(
      new GuardError(
        'detector_unavailable',
        'there is no gpu-worker, and the configuration names no graph of this model',
      ),
    );
  return { extract: refuse, checkServes: refuse };
}

/** Stands for whoever decodes files. */
export function noMedia(): MediaClient {
  const detail = 'files are decoded by a gpu-worker, and this guard has none: send the tensor itself';
  return { decode: () => Promise.reject(new GuardError('unsupported_media_type', detail)) };
}

/** Stands for the extraction of training examples. */
export function noScreening(): ScreeningExtractor {
  const refuse = () => Promise.reject(screeningRefusal());
  return { describe: refuse, extract: refuse };
}

/** Why no training data is screened. */
export function screeningRefusal(): GuardError {
  return new GuardError(
    'unknown_model',
    'training data is screened with a gpu-worker, and this guard has none',
  );
}

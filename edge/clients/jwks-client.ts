// The public keys of an OpenID provider (RFC 7517): fetched when they are needed, remembered within bounds, and never guessed.
import { z } from 'zod';
import { GuardError } from '../../shared/errors.ts';
import { readBounded } from './read-bounded.ts';

/** Age up to which fetched keys are believed, in milliseconds: a key that the provider took back is believed as long. */
export const jwksAgeMsMax = 300_000;
/** Age up to which they are believed while the provider cannot be reached. */
export const jwksAgeInOutageMsMax = 3_600_000;
/** Time between two fetches for the sake of keys that are not among the known ones: a new key is believed after it at the latest. */
export const unknownKeyPauseMs = 30_000;
/** Time after a failed fetch in which there is no other. */
export const failedFetchPauseMs = 1_000;
/** Time that a fetch may take, and what it may fetch. */
const fetchMsMax = 2_000;
const jwksBytesMax = 256 * 1024;
const jwksKeysMax = 100;

const jwkSchema = z.looseObject({
  kty: z.enum(['RSA', 'EC', 'OKP']),
  kid: z.string().min(1),
  use: z.literal('sig').optional(),
  alg: z.string().optional(),
  // An RSA modulus of 2,048 bits has 342 digits (RFC 7518, section 3.3, asks for as many bits).
  n: z.string().min(342).optional(),
});

const jwksSchema = z.object({ keys: z.array(z.unknown()).max(jwksKeysMax) });

/** A public key that may have signed a token. */
export interface PublicJwk {
  readonly kty: string;
  readonly kid: string;
}

/** Where the keys are. */
export interface JwksClient {
  /**
   * A key by its id; undefined where the provider has none.
   * @throws GuardError `credentials_unavailable` where the provider cannot be asked and the key is not known
   */
  find(kid: string): Promise<PublicJwk | undefined>;
}

/** Makes the client. */
export function jwksClient({
  url,
  now = Date.now,
}: {
  readonly url: URL;
  readonly now?: () => number;
}): JwksClient {
  // Values, not promises: a promise of one request must not be awaited by another that outlives it.
  let keys: ReadonlyMap<string, PublicJwk> = new Map();
  let fetchedAt = Number.NEGATIVE_INFINITY;
  let failedAt = Number.NEGATIVE_INFINITY;
  let isFetching = false;
  const refresh = async () => {
    isFetching = true;
    const askedAt = now();
    try {
      keys = await fetchKeys(url);
      fetchedAt = askedAt;
    } catch (cause) {
      failedAt = now();
      throw unavailable(cause);
    } finally {
      isFetching = false;
    }
  };
  return {
    async find(kid) {
      const key = keys.get(kid);
      const age = now() - fetchedAt;
      if (age < (key === undefined ? unknownKeyPauseMs : jwksAgeMsMax)) return key;
      const isBridged = key !== undefined && age < jwksAgeInOutageMsMax;
      if (isBridged && isFetching) return key;
      if (now() - failedAt < failedFetchPauseMs) {
        if (isBridged) return key;
        throw unavailable();
      }
      try {
        await refresh();
      } catch (thrown) {
        if (isBridged) return key;
        throw thrown;
      }
      return keys.get(kid);
    },
  };
}

function unavailable(cause?: unknown): GuardError {
  const detail = 'the keys of the OpenID provider cannot be fetched';
  return new GuardError('credentials_unavailable', detail, { cause, retryAfterSeconds: 1 });
}

async function fetchKeys(url: URL): Promise<ReadonlyMap<string, PublicJwk>> {
  const answer = await fetch(url.href, {
    headers: { accept: 'application/json' },
    // An address that only redirects is not the one that was configured.
    redirect: 'manual',
    signal: AbortSignal.timeout(fetchMsMax),
  });
  const bytes = await readBounded(answer.body, { bytesMax: jwksBytesMax });
  if (answer.status !== 200) throw new Error(`status ${answer.status}`);
  if (bytes === undefined) throw new Error(`more than ${jwksBytesMax} bytes`);
  const listed = jwksSchema.parse(JSON.parse(new TextDecoder().decode(bytes))).keys;
  // Keys of another kind, or for encryption, may stand beside those that sign.
  const usable = listed
    .map((key) => jwkSchema.safeParse(key))
    .flatMap(({ data }) => (data === undefined ? [] : [data as PublicJwk]));
  return new Map(usable.map((key) => [key.kid, key]));
}

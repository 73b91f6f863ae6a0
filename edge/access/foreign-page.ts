// Pages of other sites: where no credentials are asked for, a browser would act for whoever happens to look at one.
import { GuardError } from '../../shared/errors.ts';
import { anonymousId, type Principal } from './principal.ts';

/**
 * Refuses what a page of another site has a browser send, of callers that need show nothing. Whoever shows a token is not
 * concerned: no page has another's.
 * @throws GuardError `forbidden`
 */
export function refuseForeignPage(
  { method, headers }: Pick<Request, 'method' | 'headers'>,
  { id }: Pick<Principal, 'id'>,
): void {
  if (id !== anonymousId || method === 'GET' || method === 'HEAD') return;
  // Set by browsers and by no page (W3C Fetch Metadata, section 2.1); other clients send none.
  const site = headers.get('sec-fetch-site') ?? 'none';
  if (site === 'same-origin' || site === 'none') return;
  throw new GuardError('forbidden', 'a page of another site may not send this without credentials');
}

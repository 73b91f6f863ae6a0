// Pages of other sites: where no credentials are asked for, a browser would act for whoever happens to look at one.
import { GuardError } from '../../shared/errors.ts';
import { anonymousId, type Principal } from './principal.ts';

/**
 * Refuses what a page of another site has a browser send, of callers that need show nothing. Whoever shows a token is not
 * concerned: no page has another's.
 * @throws GuardError `forbidden`
 */
export function refuseForeignPage(
  { method, headers, url }: Pick<Request, 'method' | 'headers' | 'url'>,
  { id }: Pick<Principal, 'id'>,
): void {
  if (id !== anonymousId || method === 'GET' || method === 'HEAD') return;
  // Set by browsers and by no page (W3C Fetch Metadata, section 2.1); other clients send none.
  const site = headers.get('sec-fetch-site') ?? siteByOrigin(headers.get('origin'), url);
  if (site === 'same-origin' || site === 'none') return;
  throw new GuardError('forbidden', 'a page of another site may not send this without credentials');
}

/**
 * The same by the origin that a browser names of every request that is no mere reading (Fetch, section 3.2): over plain http, but to
 * the machine itself, it says nothing of the site.
 */
function siteByOrigin(origin: string | null, url: string): 'none' | 'same-origin' | 'cross-site' {
  if (origin === null) return 'none';
  // The host alone: what ends TLS before the guard leaves it, and may leave another scheme.
  return URL.canParse(origin) && new URL(origin).host === new URL(url).host ? 'same-origin' : 'cross-site';
}
